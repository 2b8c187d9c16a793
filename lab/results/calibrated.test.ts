import assert from "node:assert/strict";
import test from "node:test";
import { calibrated } from "./calibrated.ts";
import { cellOf } from "./cell.ts";
import { overviewOf } from "./overview/overview.ts";
import { killed, record } from "./results.fixture.ts";
import type { Cell, RunRecord } from "./results.ts";

// The fixture's runs: 10 purchases in each 50 ms, 200 a second, of which 200 are offered; the fault comes at 15 s, the end at 35 s.
const MOMENT_STEP = 300;

function dip(run: RunRecord, ...stretches: readonly (readonly [fromStep: number, toStep: number, ok: number])[]): RunRecord {
  const ok = run.series.goodput.ok.map((count, step) => stretches.find(([from, to]) => step >= from && step < to)?.[2] ?? count);
  return { ...run, series: { ...run.series, goodput: { ...run.series.goodput, ok } } };
}

const control = (seed: number): RunRecord => record(seed, 0, { fault: null, rtoMs: { ...record(seed, 0).rtoMs, settle: 0 }, down: [] });
const runsOf = (cells: readonly Cell[], fault: string): readonly RunRecord[] => cells.find((cell) => cell.fault === fault)?.records ?? [];

test("recovered is the worst second that any healthy run of the mode has seen, wherever it lies", () => {
  // Nine tenths of a second in one control; another mode's is nobody's business here.
  const slow = dip(control(2), [400, 420, 9]);
  const cells = [cellOf(killed("saga", "none"), [control(1), slow]), cellOf(killed("saga"), [record(3, 700)]), cellOf(killed("tcc", "none"), [dip(control(1), [100, 200, 1])])];
  const [run] = runsOf(calibrated(cells), "primary-killed");
  assert.deepEqual(run?.threshold, { perSecond: 180, from: "control", healthySeconds: 85 });
  // 20 steps of ten, of which two may be missing: 600 ms of the outage, and 100 ms less of the window.
  assert.deepEqual([run.rtoMs.sustained, run.rtoMs.settle, run.rtoMs.headline, run.relapses], [600, 700, 700, 0]);
});

test("what a mode does at one load says nothing of another", () => {
  const slow = { ...dip(control(1), [0, 700, 4]), offeredPerSecond: 100 };
  const runs = calibrated([cellOf(killed("saga", "busy"), [slow]), cellOf(killed("saga"), [record(3, 700)])]);
  assert.equal(runsOf(runs, "primary-killed")[0]?.threshold?.perSecond, 200);
});

test("the later of goodput and settling is the headline, and the dependency's own outage is taken off", () => {
  const settled = record(3, 700, { rtoMs: { ...record(3, 700).rtoMs, settle: 100 } });
  const [run] = runsOf(calibrated([cellOf(killed("saga"), [settled])]), "primary-killed");
  assert.deepEqual([run?.rtoMs.sustained, run?.rtoMs.headline, run?.rtoMs.excess], [700, 700, 210]);
  const [unprobed] = runsOf(calibrated([cellOf(killed("saga"), [{ ...settled, down: null }])]), "primary-killed");
  assert.deepEqual(unprobed?.rtoMs.excess, { unmeasured: "the dependency was not probed" });
  const back = record(3, 2_000, { down: [{ fromMs: 15_000, toMs: 37_000 }], rtoMs: { ...settled.rtoMs, settle: { beyondMs: 20_000 } } });
  const [never] = runsOf(calibrated([cellOf(killed("saga"), [back])]), "primary-killed");
  assert.deepEqual([never?.rtoMs.headline, never?.rtoMs.excess], [{ beyondMs: 20_000 }, { unmeasured: "the dependency itself did not come back" }]);
});

test("a control is not excused by what it is judged for; what was seen before its moment may excuse it", () => {
  const later = dip(control(2), [MOMENT_STEP + 40, MOMENT_STEP + 60, 9]);
  const alarmed = calibrated([cellOf(killed("saga", "none"), [control(1), later])]);
  assert.deepEqual(runsOf(alarmed, "none").map(({ rtoMs }) => rtoMs.sustained), [0, 3_000]);
  assert.equal(overviewOf(alarmed).falseAlarms?.alarms, 1);
  const both = dip(later, [50, 70, 9]);
  assert.deepEqual(runsOf(calibrated([cellOf(killed("saga", "none"), [control(1), both])]), "none").map(({ rtoMs }) => rtoMs.sustained), [0, 0]);
});

test("what sold too little before its fault is nobody's measure, and is not judged by its own", () => {
  const sick = { ...dip(record(4, 700), [0, MOMENT_STEP, 2]), goodput: { baseline: 40, fault: 40, lossRatio: 0 } };
  const runs = runsOf(calibrated([cellOf(killed("saga"), [record(3, 700), sick])]), "primary-killed");
  assert.deepEqual(runs.map(({ threshold }) => threshold), [{ perSecond: 200, from: "baseline", healthySeconds: 15 }, null]);
  assert.deepEqual(runs[1]?.rtoMs.headline, { unmeasured: "sustained: the rate was not carried before the fault" });
  const dead = dip(record(5, 700), [0, MOMENT_STEP, 0]);
  const [unmeasured] = runsOf(calibrated([cellOf(killed("saga"), [{ ...dead, goodput: { ...dead.goodput, baseline: 0 } }])]), "primary-killed");
  assert.equal(unmeasured?.threshold, null);
  assert.deepEqual(unmeasured.rtoMs.headline, { unmeasured: "sustained: the rate was not carried before the fault" });
  // One empty second is a fault of that run's own, and says nothing of the others.
  const stalled = dip(record(6, 700), [20, 40, 0]);
  const beside = runsOf(calibrated([cellOf(killed("saga"), [record(3, 700), stalled])]), "primary-killed");
  assert.deepEqual(beside.map(({ threshold }) => threshold?.perSecond), [200, undefined]);
  assert.deepEqual(beside[1]?.rtoMs.headline, { unmeasured: "sustained: the baseline has a second without a paid purchase" });
});

test("judged again, with more runs or the same, nothing is counted twice", () => {
  const once = calibrated([cellOf(killed("saga", "none"), [control(1)]), cellOf(killed("saga"), [record(3, 700)])]);
  assert.deepEqual(calibrated(once), once);
});
