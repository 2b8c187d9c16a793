import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { falseAlarmsOf, firstOk, goodputSeries, sustained, thresholdFromBaseline, thresholdFromControl, type Served, type Threshold } from "./goodput.ts";
import { atLeastMs, isMeasured, type Recovery } from "./recovery.ts";
import { windowStarts } from "./windows.ts";

const fault = { fromMs: 10_000, toMs: 10_010 };
const untilMs = 20_000;
const tenAWindow: Threshold = { kind: "control", perWindow: 10 };

/** One ok every 100 ms in each stretch, sent 5 ms before. */
function servedIn(...stretches: readonly (readonly [number, number])[]): Served[] {
  return stretches.flatMap(([fromMs, toMs]) => Array.from({ length: (toMs - fromMs) / 100 }, (_, index) => ({ sentMs: fromMs + index * 100 - 5, okMs: fromMs + index * 100 })));
}

test("a window has its start and not its end", () => {
  assert.deepEqual(windowStarts({ fromMs: 0, toMs: 1_100 }), [0, 50, 100]);
  assert.deepEqual(windowStarts({ fromMs: 0, toMs: 999 }), []);
  const series = goodputSeries([{ sentMs: 0, okMs: 100 }, { sentMs: 0, okMs: 1_050 }], { fromMs: 0, toMs: 1_100 });
  assert.deepEqual(series, [{ atMs: 0, ok: 1 }, { atMs: 50, ok: 1 }, { atMs: 100, ok: 2 }]);
  assert.throws(() => windowStarts({ fromMs: 0, toMs: 1e9 }), RangeError);
});

test("an outage of 2 s: sustained from the first window that is whole again", () => {
  // The one that starts 50 ms before the first ok has ten of them as well.
  const { recovery, heldMs, relapses } = sustained(servedIn([5_000, 10_000], [12_000, 20_000]), tenAWindow, fault, untilMs);
  assert.deepEqual({ recovery, heldMs, relapses }, { recovery: { kind: "recovered", ms: 1_950 }, heldMs: 8_050, relapses: 0 });
});

test("a relapse counts, and sustained comes after it", () => {
  const { recovery, relapses } = sustained(servedIn([5_000, 10_000], [12_000, 15_000], [15_500, 20_000]), tenAWindow, fault, untilMs);
  assert.deepEqual({ recovery, relapses }, { recovery: { kind: "recovered", ms: 5_450 }, relapses: 1 });
});

test("no dip at all is recovered at once, and a late dip alone is no relapse", () => {
  assert.deepEqual(sustained(servedIn([5_000, 20_000]), tenAWindow, fault, untilMs), { recovery: { kind: "recovered", ms: 0 }, heldMs: 10_000, relapses: 0 });
  assert.equal(sustained(servedIn([5_000, 15_000], [15_500, 20_000]), tenAWindow, fault, untilMs).relapses, 0);
});

test("an outage longer than the observation, and an observation shorter than a window, go beyond their cap", () => {
  assert.deepEqual(sustained(servedIn([5_000, 10_000]), tenAWindow, fault, untilMs).recovery, { kind: "beyond", capMs: 10_000 });
  assert.deepEqual(sustained(servedIn([5_000, 20_000]), tenAWindow, fault, 10_900).recovery, { kind: "beyond", capMs: 900 });
});

test("the threshold is the control's lowest window, in the stretch that is compared", () => {
  const control = servedIn([0, 3_000], [3_200, 20_000]);
  assert.deepEqual(thresholdFromControl(control, { fromMs: 0, toMs: 20_000 }), { kind: "control", perWindow: 8 });
  assert.deepEqual(thresholdFromControl(control, { fromMs: fault.fromMs, toMs: untilMs }), { kind: "control", perWindow: 10 });
});

test("without a control it is a share of the baseline, and says so", () => {
  assert.deepEqual(thresholdFromBaseline(servedIn([5_000, 10_000]), { fromMs: 5_000, toMs: 10_000 }, 0.9), { kind: "share", share: 0.9, perWindow: 9 });
});

test("a threshold of nothing would be met by the dead, so nothing is measured with it", () => {
  const none = [thresholdFromControl([], { fromMs: 0, toMs: 5_000 }), thresholdFromControl(servedIn([0, 900]), { fromMs: 0, toMs: 900 }), thresholdFromBaseline([], { fromMs: 0, toMs: 5_000 }), thresholdFromBaseline(servedIn([0, 900]), { fromMs: 0, toMs: 0 })];
  for (const threshold of none) {
    assert.equal(threshold.kind, "unusable");
    assert.equal(sustained([], threshold, fault, untilMs).recovery.kind, "unmeasured");
  }
});

test("the first ok is of an operation that was sent after the fault, not of one that was under way", () => {
  const served = [{ sentMs: 9_990, okMs: 10_000 }, { sentMs: 9_990, okMs: 10_020 }, { sentMs: 10_005, okMs: 10_030 }, { sentMs: 10_300, okMs: 10_400 }];
  assert.deepEqual(firstOk(served, fault, untilMs), { kind: "recovered", ms: 400 });
  assert.deepEqual(firstOk(served.slice(0, 3), fault, untilMs), { kind: "beyond", capMs: 10_000 });
  assert.deepEqual(firstOk([{ sentMs: 19_000, okMs: 20_001 }], fault, untilMs), { kind: "beyond", capMs: 10_000 });
  assert.deepEqual(firstOk([], { fromMs: 0, toMs: 0 }, 500), { kind: "beyond", capMs: 500 });
});

const someServed = fc.array(fc.tuple(fc.integer({ min: 5_000, max: 21_000 }), fc.nat(500)).map(([sentMs, ms]) => ({ sentMs, okMs: sentMs + ms })), { maxLength: 300 });

test("more ok operations never make first or sustained later", () => {
  fc.assert(
    fc.property(someServed, someServed, fc.integer({ min: 1, max: 20 }), (served, added, perWindow) => {
      const more = [...served, ...added];
      notLater(firstOk(more, fault, untilMs), firstOk(served, fault, untilMs));
      const threshold: Threshold = { kind: "control", perWindow };
      notLater(sustained(more, threshold, fault, untilMs).recovery, sustained(served, threshold, fault, untilMs).recovery);
    }),
  );
});

test("a higher threshold never makes sustained earlier, and the order of the lines never matters", () => {
  fc.assert(
    fc.property(someServed, fc.integer({ min: 1, max: 20 }), (served, perWindow) => {
      const at = (ok: number, from = served): Recovery => sustained(from, { kind: "control", perWindow: ok }, fault, untilMs).recovery;
      notLater(at(perWindow), at(perWindow + 1));
      assert.deepEqual(at(perWindow, served.toReversed()), at(perWindow));
    }),
  );
});

function notLater(one: Recovery, other: Recovery): void {
  assert.ok(isMeasured(one) && isMeasured(other));
  assert.ok(atLeastMs(one) <= atLeastMs(other), `${JSON.stringify(one)} is later than ${JSON.stringify(other)}`);
}

test("a run without a fault that seems to recover is a false alarm", () => {
  const alarms = falseAlarmsOf([{ kind: "recovered", ms: 0 }, { kind: "recovered", ms: 50 }, { kind: "beyond", capMs: 9_000 }, { kind: "unmeasured", because: "no baseline" }]);
  assert.deepEqual([alarms.runs, alarms.alarms, alarms.rate], [3, 2, 2 / 3]);
  assert.deepEqual(falseAlarmsOf([]), { runs: 0, alarms: 0 });
});
