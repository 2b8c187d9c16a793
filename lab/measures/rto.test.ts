import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Served } from "./goodput.ts";
import { latencyRecovery, type Offered } from "./latency.ts";
import { outageOf, type Probed } from "./outage.ts";
import { backAt, excessOf, rtoOf, type Run } from "./rto.ts";
import { openAtFault, overdueLevels } from "./transactions.ts";
import { lastingFrom } from "./windows.ts";

const baseline = { fromMs: 0, toMs: 5_000 };
const fault = { fromMs: 5_000, toMs: 5_000 };
const untilMs = 15_000;

const times = (fromMs: number, toMs: number, everyMs: number): number[] => Array.from({ length: Math.round((toMs - fromMs) / everyMs) }, (_, index) => fromMs + index * everyMs);

test("a transaction that ended exactly at the fault was not open, and one that never ended is stuck", () => {
  const transactions = [
    { key: "before", openedMs: 100, endedMs: 5_000 },
    { key: "opened-with-it", openedMs: 5_000, endedMs: 5_300 },
    { key: "open", openedMs: 4_000, endedMs: 6_000 },
    { key: "later", openedMs: 5_001, endedMs: 9_000 },
  ];
  assert.deepEqual(openAtFault(transactions, fault, untilMs), {
    open: 2, endedMs: { n: 2, p50: 300, p95: 1_000, max: 1_000 }, stuck: [], recovery: { kind: "recovered", ms: 1_000 },
  });
  const stuck = openAtFault([...transactions, { key: "parked", openedMs: 1, endedMs: null }, { key: "too-late", openedMs: 1, endedMs: 15_001 }], fault, untilMs);
  assert.deepEqual([stuck.open, stuck.endedMs?.n, stuck.stuck, stuck.recovery], [4, 2, ["parked", "too-late"], { kind: "beyond", capMs: 10_000 }]);
  assert.deepEqual(openAtFault([], fault, untilMs), { open: 0, stuck: [], recovery: { kind: "recovered", ms: 0 } });
});

test("a backlog is back when it stays at what was usual", () => {
  const levels = [[5_000, 0], [5_500, 9], [6_000, 2], [6_500, 3], [7_000, 2]].map(([atMs = 0, level = 0]) => ({ atMs, level }));
  assert.deepEqual(backAt(levels, 2, fault, untilMs), { kind: "recovered", ms: 2_000 });
  assert.deepEqual(backAt(levels, 9, fault, untilMs), { kind: "recovered", ms: 0 });
  assert.deepEqual(backAt(levels, 1, fault, untilMs), { kind: "beyond", capMs: 10_000 });
  assert.equal(backAt([], 1, fault, untilMs).kind, "unmeasured");
  assert.equal(backAt(levels, undefined, fault, untilMs).kind, "unmeasured");
});

const probe = (fromMs: number, ok: boolean): Probed => ({ fromMs, toMs: fromMs + 10, ok });

test("the outage runs from a failed probe to the next answer, within what is asked for", () => {
  const probes = [probe(4_900, true), probe(5_050, false), probe(5_150, false), probe(5_250, true), probe(8_000, false), probe(8_100, true)];
  assert.deepEqual(outageOf(probes, { fromMs: 5_000, toMs: 15_000 }), { kind: "measured", downMs: 320, ended: true });
  assert.deepEqual(outageOf(probes, { fromMs: 5_000, toMs: 6_000 }), { kind: "measured", downMs: 210, ended: true });
  assert.deepEqual(outageOf(probes, { fromMs: 5_100, toMs: 5_200 }), { kind: "measured", downMs: 100, ended: true });
  assert.deepEqual(outageOf(probes.slice(0, 3), { fromMs: 5_000, toMs: 15_000 }), { kind: "measured", downMs: 9_950, ended: false });
  assert.deepEqual(outageOf([], fault), { kind: "unmeasured" });
});

test("the excess is what the dependency's outage does not explain", () => {
  const outage = (downMs: number, ended = true) => ({ kind: "measured", downMs, ended }) as const;
  assert.deepEqual(excessOf({ kind: "recovered", ms: 900 }, outage(600)), { kind: "recovered", ms: 300 });
  assert.deepEqual(excessOf({ kind: "recovered", ms: 500 }, outage(600)), { kind: "recovered", ms: 0 });
  assert.deepEqual(excessOf({ kind: "beyond", capMs: 9_000 }, outage(600)), { kind: "beyond", capMs: 8_400 });
  assert.equal(excessOf({ kind: "beyond", capMs: 9_000 }, outage(8_900, false)).kind, "unmeasured");
  assert.equal(excessOf({ kind: "recovered", ms: 900 }, { kind: "unmeasured" }).kind, "unmeasured");
});

/** A client that wants to send every 10 ms and waits for each answer: one request meets a stall of 4 s, the others wait behind it. */
function closedLoop(): { readonly intentMs: number; readonly sentMs: number; readonly doneMs: number }[] {
  let freeMs = 0;
  return times(0, 15_000, 10).map((intentMs) => {
    const sentMs = Math.max(intentMs, freeMs);
    freeMs = sentMs <= 5_000 && sentMs > 4_990 ? 9_000 : sentMs + 1;
    return { intentMs, sentMs, doneMs: freeMs };
  });
}

test("a stall that hides from the time of sending shows from the time of intent", () => {
  const operations = closedLoop();
  const fromIntent = operations.map(({ intentMs, doneMs }) => ({ intentMs, doneMs, answered: true }));
  const fromSending = operations.map(({ sentMs, doneMs }) => ({ intentMs: sentMs, doneMs, answered: true }));
  const p99Of = (offered: readonly Offered[]): number | undefined => offered.map(({ intentMs, doneMs }) => doneMs - intentMs).sort((a, b) => a - b)[Math.ceil(offered.length * 0.99) - 1];
  assert.equal(p99Of(fromSending), 1);
  assert.ok((p99Of(fromIntent) ?? 0) > 3_000);
  // The backlog of 400 drains at 9 ms gained a request: 4 s × 10 / 9.
  const { recovery, baselineP99Ms } = latencyRecovery(fromIntent, baseline, fault, untilMs);
  assert.equal(baselineP99Ms, 1);
  assert.deepEqual(recovery, { kind: "recovered", ms: 4_450 });
});

test("fast failures are no fast answers, and a window without an offer shows nothing", () => {
  const every = times(0, 15_000, 10).map((intentMs) => ({ intentMs, doneMs: intentMs + 1, answered: true }));
  const failing = every.map((each) => (each.intentMs >= 5_000 && each.intentMs < 7_000 ? { ...each, answered: false } : each));
  const silent = every.filter(({ intentMs }) => intentMs < 5_000 || intentMs >= 7_000);
  assert.deepEqual(latencyRecovery(every, baseline, fault, untilMs).recovery, { kind: "recovered", ms: 0 });
  assert.deepEqual(latencyRecovery(failing, baseline, fault, untilMs).recovery, { kind: "recovered", ms: 2_000 });
  // The first window that reaches into the load again is the one from 6,050 on.
  assert.deepEqual(latencyRecovery(silent, baseline, fault, untilMs).recovery, { kind: "recovered", ms: 1_050 });
  assert.deepEqual(latencyRecovery(silent.filter(({ intentMs }) => intentMs < 5_000), baseline, fault, untilMs).recovery, { kind: "beyond", capMs: 10_000 });
  assert.equal(latencyRecovery(every, { fromMs: 0, toMs: 0 }, { fromMs: 0, toMs: 0 }, untilMs).recovery.kind, "unmeasured");
  assert.equal(latencyRecovery(every.map((each) => ({ ...each, answered: false })), baseline, fault, untilMs).recovery.kind, "unmeasured");
});

const served: readonly Served[] = [...times(0, 5_000, 100), ...times(6_000, 12_000, 100)].map((sentMs) => ({ sentMs, okMs: sentMs }));
const run: Run = {
  baseline, fault, untilMs, served,
  offeredUntilMs: 12_000,
  offered: served.map(({ sentMs }) => ({ intentMs: sentMs, doneMs: sentMs + 1, answered: true })),
  transactions: [{ key: "open", openedMs: 4_900, endedMs: 7_500 }],
  overdue: [{ atMs: 100, level: 0 }, { atMs: 5_100, level: 0 }],
  backlog: null,
  broken: null,
  probes: [probe(4_950, true), probe(5_050, false), probe(5_840, true), probe(9_000, true)],
  threshold: { kind: "control", perWindow: 10 },
};

test("what the fault held up after it had come counts as well: until as few are overdue as before", () => {
  const opened = [{ key: "slow", openedMs: 100, endedMs: 1_200 }, { key: "late", openedMs: 5_500, endedMs: 9_000 }, { key: "quick", openedMs: 6_000, endedMs: 6_900 }, { key: "never", openedMs: 11_800, endedMs: null }];
  const levels = overdueLevels(opened, { fromMs: 0, toMs: 12_000 });
  const at = (ms: number): number | undefined => levels.findLast(({ atMs }) => atMs <= ms)?.level;
  assert.deepEqual([at(1_050), at(1_100), at(1_150), at(1_200), at(6_450), at(6_500), at(8_950), at(9_000), at(12_000)], [0, 1, 1, 0, 0, 1, 1, 0, 0]);
  assert.equal(overdueLevels([{ key: "open", openedMs: 0, endedMs: null }], { fromMs: 500, toMs: 2_000 }).at(-1)?.level, 1);
  const none = overdueLevels(opened.slice(1, 2), { fromMs: 0, toMs: 12_000 });
  assert.deepEqual(rtoOf({ ...run, overdue: none }).settle, { kind: "recovered", ms: 4_000 });
  // As many were overdue before the fault as now: nothing of it is the fault's.
  assert.deepEqual(rtoOf({ ...run, overdue: levels }).settle, { kind: "recovered", ms: 2_500 });
});

test("what came back in the last two seconds is not known to last", () => {
  const good = (from: number): boolean[] => Array.from({ length: 181 }, (_, slide) => slide >= from);
  const observed = { fromMs: 0, toMs: 10_000 };
  assert.deepEqual(lastingFrom(good(160), observed), { recovery: { kind: "recovered", ms: 8_000 }, heldMs: 2_000, relapses: 0 });
  assert.deepEqual(lastingFrom(good(161), observed), { recovery: { kind: "beyond", capMs: 8_050 }, heldMs: 1_950, relapses: 0 });
});

test("the headline is the later of goodput and settling, and the end of the load is no fault", () => {
  const rto = rtoOf(run);
  assert.deepEqual(rto.first, { kind: "recovered", ms: 1_000 });
  assert.deepEqual(rto.sustained.recovery, { kind: "recovered", ms: 950 });
  assert.deepEqual([rto.settle, rto.headline], [{ kind: "recovered", ms: 2_500 }, { kind: "recovered", ms: 2_500 }]);
  assert.deepEqual([rto.outage, rto.excess], [{ kind: "measured", downMs: 800, ended: true }, { kind: "recovered", ms: 1_700 }]);
  assert.deepEqual(rtoOf({ ...run, transactions: [] }).headline, { kind: "recovered", ms: 950 });
});

test("a backlog and broken invariants are part of settling where somebody looked, and are missed where he should have", () => {
  const looks = (back: number) => times(4_000, 12_000, 500).map((atMs) => ({ atMs, level: atMs > 5_000 && atMs < back ? 3 : 0 }));
  assert.deepEqual(rtoOf({ ...run, backlog: looks(9_000) }).headline, { kind: "recovered", ms: 4_000 });
  assert.deepEqual(rtoOf({ ...run, broken: looks(10_000) }).headline, { kind: "recovered", ms: 5_000 });
  assert.deepEqual(rtoOf({ ...run, broken: looks(20_000) }).headline, { kind: "beyond", capMs: 10_000 });
  assert.deepEqual(rtoOf({ ...run, backlog: [] }).headline, { kind: "unmeasured", because: "settle: backlog: no sample before the fault" });
});

test("an outage after the recovery explains nothing of it", () => {
  const rto = rtoOf({ ...run, probes: [...run.probes, probe(9_500, false), probe(9_600, true)] });
  assert.deepEqual([rto.outage, rto.excess], [{ kind: "measured", downMs: 910, ended: true }, { kind: "recovered", ms: 1_700 }]);
});

test("a stuck transaction leaves the run beyond its cap, without the dependency's outage", () => {
  const rto = rtoOf({ ...run, transactions: [{ key: "stuck", openedMs: 1, endedMs: null }] });
  assert.deepEqual([rto.headline, rto.excess], [{ kind: "beyond", capMs: 10_000 }, { kind: "beyond", capMs: 9_200 }]);
});

test("a run without operations, and a fault at the very start, are not measured as good", () => {
  const empty = rtoOf({ ...run, served: [], offered: [], transactions: [], probes: [] });
  assert.deepEqual([empty.first.kind, empty.headline.kind, empty.latency.recovery.kind, empty.outage.kind], ["beyond", "beyond", "unmeasured", "unmeasured"]);
  const atStart = rtoOf({ ...run, baseline: { fromMs: 0, toMs: 0 }, fault: { fromMs: 0, toMs: 0 }, threshold: { kind: "unusable", because: "nothing was served before the fault" } });
  assert.deepEqual(atStart.headline, { kind: "unmeasured", because: "sustained: nothing was served before the fault" });
});

test("the outage never exceeds what is asked for, and the excess never the headline", () => {
  const probes = fc.array(fc.tuple(fc.nat(14_000), fc.nat(500), fc.boolean()).map(([fromMs, ms, ok]) => ({ fromMs, toMs: fromMs + ms, ok })), { maxLength: 60 });
  fc.assert(
    fc.property(probes, fc.nat(9_000), (some, ms) => {
      const outage = outageOf(some, { fromMs: fault.fromMs, toMs: fault.fromMs + ms });
      const excess = excessOf({ kind: "recovered", ms }, outage);
      if (outage.kind === "measured") assert.ok(outage.downMs >= 0 && outage.downMs <= ms + 1e-6);
      if (excess.kind === "recovered") assert.ok(excess.ms >= 0 && excess.ms <= ms);
    }),
  );
});
