import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { compensationOf, type Ended } from "./compensation.ts";
import { against, lossRatio, performanceOf } from "./degradation.ts";
import { inconsistencyOf, seenThenUndone, splitByFault } from "./inconsistency.ts";
import { rpoOf, worstRpo, type Lost } from "./rpo.ts";

const lost = (key: string, intentMs: number | null, units = 1, cents = 500): Lost => ({ key, intentMs, units, cents });

test("what was lost, in operations, units, money and the age of the oldest", () => {
  assert.deepEqual(rpoOf([lost("a", 4_000), lost("b", 4_990, 2, 1_000)], 5_000), { kind: "known", operations: 2, units: 3, cents: 1_500, oldestMs: 1_000, undated: 0 });
  assert.deepEqual(rpoOf([], 5_000), { kind: "known", operations: 0, units: 0, cents: 0, oldestMs: null, undated: 0 });
  assert.deepEqual(rpoOf([lost("after", 6_000), lost("whenever", null)], 5_000), { kind: "known", operations: 2, units: 2, cents: 1_000, oldestMs: 0, undated: 1 });
});

test("one key is lost once, by the worse of two findings", () => {
  assert.deepEqual(rpoOf([lost("a", null, 0, 700), lost("a", 4_000, 2, 0)], 5_000), { kind: "known", operations: 1, units: 2, cents: 700, oldestMs: 1_000, undated: 0 });
});

test("what was not judged is no zero, in one run and in the worst of several", () => {
  const [unknown, none, some] = [rpoOf(null, 5_000), rpoOf([], 5_000), rpoOf([lost("a", 4_000)], 5_000)];
  assert.equal(unknown.kind, "unknown");
  assert.equal(worstRpo([none, unknown]).kind, "unknown");
  assert.equal(worstRpo([]).kind, "unknown");
  assert.deepEqual(worstRpo([none, unknown, some]), some);
  assert.deepEqual(worstRpo([some, rpoOf([lost("b", 4_900, 9, 10)], 5_000)]), { kind: "known", operations: 1, units: 9, cents: 500, oldestMs: 1_000, undated: 0 });
});

test("losing one more never makes the loss smaller", () => {
  const some = fc.array(fc.record({ key: fc.string({ maxLength: 2 }), intentMs: fc.option(fc.nat(9_000)), units: fc.nat(5), cents: fc.nat(900) }), { maxLength: 20 });
  fc.assert(
    fc.property(some, some, (first, added) => {
      const [less, more] = [rpoOf(first, 5_000), rpoOf([...first, ...added], 5_000)];
      assert.ok(less.kind === "known" && more.kind === "known");
      for (const figure of ["operations", "units", "cents"] as const) assert.ok(more[figure] >= less[figure], figure);
      assert.ok((more.oldestMs ?? -1) >= (less.oldestMs ?? -1));
    }),
  );
});

const traces = [
  { key: "quick", effectsMs: [100, 90, 130], final: true },
  { key: "single", effectsMs: [500], final: true },
  { key: "slow", effectsMs: [900, 2_900], final: true },
  { key: "half", effectsMs: [300], final: false },
  { key: "nothing", effectsMs: [], final: true },
];

test("a transaction is inconsistent from its first effect to its last", () => {
  assert.deepEqual(inconsistencyOf(traces), { windowMs: { n: 3, p50: 40, p95: 2_000, max: 2_000 }, open: ["half"], untouched: 1 });
  assert.deepEqual(inconsistencyOf([]), { open: [], untouched: 0 });
});

test("under fault is what was half done at any moment of it", () => {
  const keys = (some: readonly { readonly key: string }[]): string[] => some.map(({ key }) => key);
  const { healthy, underFault } = splitByFault(traces, { fromMs: 1_000, toMs: 1_500 });
  assert.deepEqual([keys(healthy), keys(underFault)], [["quick", "single", "nothing"], ["slow", "half"]]);
  assert.deepEqual(keys(splitByFault(traces, { fromMs: 130, toMs: 300 }).underFault), ["quick"]);
});

test("a read that saw what was later undone is counted, one after the undoing is not", () => {
  const reads = [{ key: "a", atMs: 100 }, { key: "a", atMs: 200 }, { key: "b", atMs: 100 }];
  assert.equal(seenThenUndone(reads, new Map([["a", 200]])), 1);
});

const offered = [[0, 10], [100, 30], [200, 20], [300, 900]].map(([intentMs = 0, ms = 0]) => ({ intentMs, doneMs: intentMs + ms, answered: ms < 900 }));

test("a mode's goodput and latency, against another's and against its own healthy time", () => {
  const second = { fromMs: 0, toMs: 1_000 };
  const mode = performanceOf([{ sentMs: 0, okMs: 0 }, { sentMs: 0, okMs: 999 }, { sentMs: 0, okMs: 1_000 }], offered, second, 30);
  assert.deepEqual(mode, { goodputPerSecond: 2, p50Ms: 20, p95Ms: null, p99Ms: null, unanswered: 1, cpuMsPerPurchase: 15 });
  const naive = { goodputPerSecond: 4, p50Ms: 10, p95Ms: 30, p99Ms: 40, unanswered: 0, cpuMsPerPurchase: 10 };
  assert.deepEqual(against(mode, naive), { goodput: 0.5, p50: 2, p95: null, p99: null, cpu: 1.5 });
  assert.deepEqual([lossRatio(naive, mode), lossRatio(mode, naive)], [0.5, -1]);
  const nothing = performanceOf([], [], second, 30);
  assert.deepEqual(nothing, { goodputPerSecond: 0, p50Ms: null, p95Ms: null, p99Ms: null, unanswered: 0, cpuMsPerPurchase: null });
  assert.deepEqual([lossRatio(nothing, mode), against(mode, nothing).goodput, lossRatio(mode, nothing)], [null, null, 1]);
  assert.throws(() => performanceOf([], [], { fromMs: 5, toMs: 5 }), RangeError);
});

const ended = (key: string, decision: Ended["decision"], effects: number, undone: number, clientWasToldPaid = false): Ended => ({ key, decision, effects, undone, clientWasToldPaid });

test("compensation: needed, right, stuck, and wrong when the client was told paid", () => {
  const all = [
    ended("sold", "yes", 3, 0, true),
    ended("refused-at-once", "no", 0, 0),
    ended("undone", "no", 2, 2),
    ended("half-undone", "no", 2, 1),
    ended("never-undone", "no", 1, 0),
    ended("undone-though-paid", "no", 2, 2, true),
    ended("undone-though-decided", "yes", 3, 1, true),
  ];
  assert.deepEqual(compensationOf(all), {
    needed: 4, right: 1, rightShare: 0.25, stuck: ["half-undone", "never-undone"], wrong: ["undone-though-paid", "undone-though-decided"],
  });
  assert.deepEqual(compensationOf([]), { needed: 0, right: 0, wrong: [], stuck: [], rightShare: null });
  assert.throws(() => compensationOf([ended("more", "no", 1, 2)]), RangeError);
});

test("each compensation that was needed ended in exactly one way", () => {
  const one = fc.record({ key: fc.uuid(), decision: fc.constantFrom("yes", "no"), effects: fc.nat(3), left: fc.nat(3), clientWasToldPaid: fc.boolean() });
  fc.assert(
    fc.property(fc.uniqueArray(one, { selector: ({ key }) => key, maxLength: 30 }), (some) => {
      const all = some.map(({ left, ...each }) => ({ ...each, undone: Math.max(0, each.effects - left) }));
      const { needed, right, wrong, stuck } = compensationOf(all);
      const wrongNeeded = all.filter(({ key, decision }) => decision === "no" && wrong.includes(key)).length;
      assert.equal(needed, right + wrongNeeded + stuck.length);
    }),
  );
});
