import assert from "node:assert/strict";
import test from "node:test";
import { record, TORN } from "../../results/results.fixture.ts";
import { expectedKillMs, figuresOf, killPlan } from "./primary-killed.ts";

test("the very run that the lab would do by itself", () => {
  const { modes, faults, runs, quick, seed } = killPlan(["saga"], 7);
  assert.deepEqual([modes, faults.map(({ name }) => name), runs, quick, seed], [["saga"], ["primary-killed"], 1, true, 7]);
  assert.ok(expectedKillMs("saga", 7) > 10_000);
});

test("of a run's record the two times to recover, what was lost, and what is to be said of it", () => {
  const { rtoFirstMs, rtoHeadlineMs, outageMs, lost, verdict, remarks } = figuresOf(record(1, 700.123_456));
  assert.deepEqual([rtoFirstMs, rtoHeadlineMs, outageMs, lost, verdict, remarks], [610.123, 700.123, 490.123, 0, "valid", []]);
  const torn = figuresOf(TORN);
  assert.deepEqual([torn.rtoHeadlineMs, torn.lost, torn.verdict, torn.remarks], [{ beyondMs: 22_000 }, 3, "invalid", ["unresolved: the history is not whole"]]);
  const unmeasured = { unmeasured: "nothing was sold before the fault" };
  assert.deepEqual(figuresOf(record(1, 700, { rtoMs: { ...TORN.rtoMs, first: unmeasured }, outageMs: null })).rtoFirstMs, unmeasured);
});
