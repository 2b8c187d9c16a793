import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { atLeastMs, byLength, isMeasured, latestOf, type Recovery } from "./recovery.ts";
import { medianRanks, percentile, rateAtMost, spreadOf, summaryOf } from "./statistics.ts";

const recovered = (ms: number): Recovery => ({ kind: "recovered", ms });
const beyond = (capMs: number): Recovery => ({ kind: "beyond", capMs });
const unmeasured: Recovery = { kind: "unmeasured", because: "nobody looked" };

const recoveries = fc.oneof(
  fc.nat(10_000).map(recovered),
  fc.nat(10_000).map(beyond),
  fc.constant(unmeasured),
);

test("a percentile is a value that was measured", () => {
  assert.equal(percentile([1, 2, 3, 4], 0.5), 2);
  assert.equal(percentile([1, 2, 3, 4], 0.51), 3);
  assert.equal(percentile(Array.from({ length: 100 }, (_, index) => index + 1), 0.07), 7);
  assert.equal(percentile([], 0.5), undefined);
  assert.throws(() => percentile([1], 0), RangeError);
});

test("the spread of a whole population needs no minimum, but a member", () => {
  assert.deepEqual(spreadOf([30, 10, 20]), { n: 3, p50: 20, p95: 30, max: 30 });
  assert.equal(spreadOf([]), undefined);
});

// From the binomial table: 2 · (1/2)^5 = 6.25 % misses 95 %, 2 · (1/2)^6 = 3.1 % does not; for 10 the 2nd and 9th, for 20 the 6th and 15th.
for (const [n, low, high, coverage] of [[6, 1, 6, 0.96875], [10, 2, 9, 0.978516], [20, 6, 15, 0.958611], [60, 22, 39, 0.97266]] as const) {
  test(`the median of ${n} lies between the values ${low} and ${high}`, () => {
    const ranks = medianRanks(n, 0.95);
    assert.deepEqual([ranks?.low, ranks?.high], [low, high]);
    assert.ok(Math.abs((ranks?.coverage ?? 0) - coverage) < 1e-5, String(ranks?.coverage));
  });
}

test("five values enclose no median with 95 %, and a thousand do without an overflow", () => {
  for (const n of [0, 1, 5]) assert.equal(medianRanks(n, 0.95), undefined);
  assert.deepEqual([medianRanks(2_000, 0.95)?.low, medianRanks(2_000, 0.95)?.high], [956, 1_045]);
});

test("no hit in 300 runs says below 1 %, none in 298 does not", () => {
  assert.ok((rateAtMost(0, 300) ?? 1) < 0.01);
  assert.ok((rateAtMost(0, 297) ?? 0) > 0.01);
  // One of ten: the exact one-sided bound is 39.4 %.
  assert.equal(rateAtMost(1, 10)?.toFixed(3), "0.394");
  assert.deepEqual([rateAtMost(3, 3), rateAtMost(0, 0)], [1, undefined]);
});

test("a summary keeps every value, and what never recovered is its worst", () => {
  const all = [recovered(300), beyond(8_000), unmeasured, recovered(100)];
  assert.deepEqual(summaryOf(all), { n: 3, unmeasured: 1, median: recovered(300), max: beyond(8_000), all });
  assert.deepEqual(summaryOf([]), { n: 0, unmeasured: 0, all: [] });
  assert.deepEqual(summaryOf([recovered(100), recovered(200)]).median, recovered(150));
  assert.deepEqual(summaryOf([recovered(100), beyond(8_000)]).median, beyond(4_050));
  assert.deepEqual(summaryOf([recovered(9_000), beyond(1_000)]).median, beyond(1_000));
});

test("59 runs allow no p95, 60 do", () => {
  const runs = (n: number): Recovery[] => Array.from({ length: n }, (_, index) => recovered(index + 1));
  assert.equal(summaryOf(runs(59)).p95, undefined);
  assert.deepEqual(summaryOf(runs(60)).p95, recovered(57));
  assert.equal(summaryOf(runs(5)).medianBetween, undefined);
  const { low, high } = summaryOf(runs(10)).medianBetween ?? {};
  assert.deepEqual([low, high], [recovered(2), recovered(9)]);
});

test("whatever the values: low ≤ median ≤ high ≤ max, and none is dropped", () => {
  fc.assert(
    fc.property(fc.array(recoveries, { maxLength: 80 }), (all) => {
      const { median, medianBetween, max, n, unmeasured: missing, all: kept } = summaryOf(all);
      assert.equal(n + missing, all.length);
      assert.deepEqual(kept, all);
      if (median === undefined || max === undefined) return assert.equal(n, 0);
      if (medianBetween !== undefined) {
        assert.ok(byLength(medianBetween.low, medianBetween.high) <= 0);
        assert.ok(byLength(medianBetween.high, max) <= 0);
      }
      assert.ok(median.kind === "beyond" || max.kind === "beyond" || median.ms <= max.ms);
    }),
  );
});

test("the last of several parts: beyond wins over missing, missing over a number", () => {
  assert.deepEqual(latestOf({ a: recovered(1), b: recovered(3) }), recovered(3));
  assert.deepEqual(latestOf({ a: beyond(5_000), b: recovered(9_000), c: unmeasured }), beyond(9_000));
  assert.deepEqual(latestOf({ a: recovered(1), b: unmeasured }), { kind: "unmeasured", because: "b: nobody looked" });
  assert.deepEqual(latestOf({}), recovered(0));
});

test("the last of several parts is never earlier than one of them", () => {
  fc.assert(
    fc.property(fc.array(recoveries, { maxLength: 5 }), (parts) => {
      const last = latestOf(Object.fromEntries(parts.entries()));
      if (!isMeasured(last)) return;
      for (const part of parts.filter(isMeasured)) assert.ok(atLeastMs(last) >= atLeastMs(part));
    }),
  );
});
