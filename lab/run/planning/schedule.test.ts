import assert from "node:assert/strict";
import test from "node:test";
import { faultNamed } from "../../faults/all.ts";
import type { Fault } from "../../faults/fault.ts";
import { observedMs } from "../cell/cell.ts";
import { FULL, QUICK, scheduleOf, type Staging } from "./schedule.ts";
import { TimeLeft } from "./time-left.ts";

const faults = (...names: readonly string[]): Fault[] => names.map((name) => faultNamed(name) ?? assert.fail(name));
const inWords = ({ mode, cells }: Staging): string => `${mode}: ${cells.map(({ fault, round, seed }) => `${fault.name} ${round} ${seed}`).join(", ")}`;

test("quick: one platform a mode, its control first, and last the fault that uses its standby up", () => {
  const schedule = scheduleOf({ modes: ["saga", "naive"], faults: faults("primary-killed", "partition", "none", "coordinator-killed"), runs: 1, seed: 5, quick: true });
  const expected = "none 1 5, partition 1 5, coordinator-killed 1 5, primary-killed 1 5";
  assert.deepEqual(schedule.map(inWords), [`saga: ${expected}`, `naive: ${expected}`]);
});

test("quick: a second fault that uses its standby up has a platform of its own", () => {
  const [killed, none] = faults("primary-killed", "none");
  assert.ok(killed && none);
  const schedule = scheduleOf({ modes: ["saga"], faults: [killed, { ...killed, name: "host-lost" }, none], runs: 1, seed: 5, quick: true });
  assert.deepEqual(schedule.map(inWords), ["saga: none 1 5, primary-killed 1 5", "saga: host-lost 1 5"]);
});

test("otherwise each run has a platform of its own; in each round everything once, the controls first, all with the round's seed", () => {
  const options = { modes: ["saga", "tcc"], faults: faults("none", "partition", "paused"), runs: 3, seed: 5, quick: false } as const;
  const schedule = scheduleOf(options);
  assert.equal(schedule.length, 18);
  for (const round of [1, 2, 3]) {
    const words = schedule.slice(6 * (round - 1), 6 * round).map(inWords);
    const each = (fault: string): string[] => [`saga: ${fault} ${round} ${4 + round}`, `tcc: ${fault} ${round} ${4 + round}`];
    assert.deepEqual(words.slice(0, 2).toSorted(), each("none"));
    assert.deepEqual(words.slice(2).toSorted(), [...each("partition"), ...each("paused")].toSorted());
  }
  assert.deepEqual(scheduleOf(options).map(inWords), schedule.map(inWords));
  const orders = new Set([1, 2, 3, 4, 5, 6].map((seed) => scheduleOf({ ...options, runs: 1, seed }).map(({ mode, cells }) => `${mode} ${cells[0]?.fault.name}`).join()));
  assert.ok(orders.size > 1, "every round has the same order");
});

test("what a mode does not have is not broken there, nor is what this machine cannot do", () => {
  const [relay, paused] = faults("relay-killed", "paused");
  assert.ok(relay && paused);
  const impossible: Fault = { ...paused, name: "flood", notPossible: () => "no water" };
  const schedule = scheduleOf({ modes: ["saga", "outbox"], faults: [relay, impossible], runs: 1, seed: 1, quick: false });
  assert.deepEqual(schedule.map(inWords), ["outbox: relay-killed 1 1"]);
});

test("a fault that stays for a while is watched for longer", () => {
  assert.equal(observedMs({ holdMs: 0 }, QUICK), 8_000);
  assert.equal(observedMs({ holdMs: 3_000 }, QUICK), 8_000);
  assert.equal(observedMs({ holdMs: 10_000 }, FULL), 15_000);
});

test("the time left: as guessed at first, then as long as things really take, and never below nothing", () => {
  let nowMs = 0;
  const left = new TimeLeft([10_000, 10_000, 20_000], () => nowMs);
  assert.equal(left.leftMs(), 40_000);
  nowMs = 15_000;
  left.finished(0);
  assert.equal(left.leftMs(), 45_000);
  nowMs = 20_000;
  assert.equal(left.leftMs(), 40_000);
  assert.equal(left.text(), "about 40 s left");
  nowMs = 100_000;
  assert.equal(left.leftMs(), 0);
  assert.equal(new TimeLeft([200_000], () => 0).text(), "about 3 min 20 s left");
});
