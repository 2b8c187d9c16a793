import assert from "node:assert/strict";
import test from "node:test";
import { outboxContestants } from "./contestants.ts";
import type { OutboxContestant } from "./contestants.ts";
import { halfLoad } from "./rounds.ts";
import type { TurnFigures } from "./rounds.ts";
import { messageOf } from "./shop.ts";
import { outboxRows, peerStandings, ratiosToPeers, relayOnVsOff, standingOf } from "./summary.ts";
import { taskOfProcess } from "./system.ts";

const turn = (name: string, caseName: TurnFigures["caseName"], figures: Record<string, number>): TurnFigures => ({ name, caseName, figures });
const off = (commitsPerSecond: number): TurnFigures => turn("tripact", "without-relay", { commitsPerSecond, committedPerSecond: commitsPerSecond });
const on = (commitsPerSecond: number, deliveredPerSecond: number, keptUp = 1): TurnFigures =>
  turn("tripact", "single", { commitsPerSecond, deliveredPerSecond, backlogHalf: 5, backlogEnd: 6, heldShare: 0, keptUp });

test("the relay's cost is taken within each round, against the mean of what came before and after", () => {
  const byRound = [
    [off(1000), on(800, 800), off(600)],
    [off(100), on(90, 90), off(100)],
    [off(500), on(250, 250), off(500)],
  ];
  assert.deepEqual(relayOnVsOff(byRound), { median: 0.9, min: 0.5, max: 1 });
});

test("a peer is compared in the rounds that have both", () => {
  const byRound = [[on(900, 900), turn("pg-boss", "single", { deliveredPerSecond: 100 })], [on(900, 900)]];
  const ratios = ratiosToPeers(byRound);
  assert.equal(ratios["singleVsPgBoss"], 9);
  assert.equal(ratios["singleVsGraphileWorker"], null);
});

const contestants = outboxContestants().filter(({ name }) => name === "tripact" || name === "pg-boss").map((one): OutboxContestant => ({ ...one, missing: undefined }));

test("rows have medians, ranges and reasons; a case counts as kept up only if it was in every round", () => {
  const byRound = [[on(900, 890)], [on(700, 600, 0)], [on(800, 790)]];
  const rows = outboxRows(contestants, { byRound, reasons: new Map([["tripact latency", "too slow"], ["pg-boss", "not installed"]]) });
  const single = rows.find((row) => row.name === "tripact" && row.case === "single");
  assert.deepEqual([single?.perSecond, single?.perSecondFrom, single?.perSecondTo, single?.keptUp], [790, 600, 890, false]);
  assert.equal(rows.find((row) => row.name === "tripact" && row.case === "latency")?.reason, "too slow");
  assert.ok(rows.filter((row) => row.name === "pg-boss").every((row) => row.perSecond === null && row.reason === "not installed"));
  assert.equal(rows.filter((row) => row.case === "without-relay").length, 1);
});

test("a peer without any figure is null, one with some keeps them", () => {
  const byRound = [[turn("pg-boss", "single", { deliveredPerSecond: 100 }), turn("pg-boss", "latency", { perSecond: 50, p50Ms: 1, p95Ms: 2, p99Ms: 3 })]];
  const rows = outboxRows(contestants, { byRound, reasons: new Map() });
  const standings = peerStandings(rows);
  assert.equal(standings["graphileWorker"], null);
  assert.deepEqual(standings["pgBoss"]?.documented, {
    perSecond: { single: 100, batched1500B: null, batched200B: null },
    latencyMs: { p50: 1, p95: 2, p99: 3 },
  });
  assert.equal(standingOf(rows, "tripact").perSecond.single, null);
});

test("half load is half of what this contestant delivered in this round", () => {
  assert.equal(halfLoad([on(900, 880), turn("pg-boss", "single", { deliveredPerSecond: 100 })], "pg-boss"), 50);
  assert.equal(halfLoad([off(900)], "tripact"), 0);
});

test("messages have the size that their case says, and differ", () => {
  for (const bytes of [200, 1500]) {
    for (const n of [0, 7, 123_456_789]) assert.equal(Buffer.byteLength(JSON.stringify(messageOf(n, bytes))), bytes);
  }
  assert.notEqual(messageOf(1, 1500).note, messageOf(2, 1500).note);
});

test("a runner is told its case, its role and its rate, and refuses a case that it does not know", () => {
  const task = taskOfProcess(["--name=tripact", "--in-flight=16", "--measure-ms=500", "--variant=defaults", "--case=latency", "--per-second=250.5", "--role=consumer"]);
  assert.deepEqual([task.measured.name, task.role, task.perSecond, task.measureMs, task.variant], ["latency", "consumer", 250.5, 500, "defaults"]);
  assert.throws(() => taskOfProcess(["--case=fast"]), /no such case: fast/);
});
