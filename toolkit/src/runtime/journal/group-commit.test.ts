import { test } from "node:test";
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Journal, Verdict, WriteBatch } from "../../stores/store.ts";
import { systemClock, type Clock } from "../clock.ts";
import { Live } from "../live.ts";
import { tune } from "../options.ts";
import { GroupCommit } from "./group-commit.ts";

/** A journal that answers when it is told to. */
function slowJournal() {
  const out: { readonly batch: WriteBatch; readonly answer: () => void }[] = [];
  const write = (batch: WriteBatch): Promise<readonly Verdict[]> =>
    new Promise((resolve) => out.push({ batch, answer: () => resolve(batch.writes.map(() => "applied")) }));
  const journal = { write } satisfies Partial<Journal> as unknown as Journal;
  return { journal, out, sizes: () => out.map(({ batch }) => batch.writes.length) };
}

function commitsOn(journal: Journal, tuning: Parameters<typeof tune>[0], clock: Clock = systemClock): GroupCommit {
  const sink = { verdict: () => undefined, poisoned: () => assert.fail("nothing is bad here"), sent: () => undefined };
  return new GroupCommit({ journal, owner: () => "us", mayWrite: () => true, clock, tuning: tune(tuning), sink, notify: (notice) => assert.fail(JSON.stringify(notice)) });
}

function lives(count: number): Live[] {
  return Array.from({ length: count }, (_, n) => {
    const live = new Live({ gid: `gid-${String(n).padStart(4, "0")}`, definition: "d", version: "1", inputHash: "", input: null });
    live.apply({ kind: "started" }, 0);
    return live;
  });
}

async function turns(): Promise<void> {
  for (let n = 0; n < 5; n += 1) await turn();
}

test("many transactions share two flushes, half each, and nobody is in both", async () => {
  const { journal, out, sizes } = slowJournal();
  const commits = commitsOn(journal, { overlapFrom: 4 });
  for (const live of lives(10)) commits.enqueue(live);
  await turns();
  assert.deepEqual(sizes(), [5, 5]);
  assert.equal(new Set(out.flatMap(({ batch }) => batch.writes.map(({ gid }) => gid))).size, 10);
  commits.stop();
});

test("few wait for the flush that is out, and then go together", async () => {
  const { journal, out, sizes } = slowJournal();
  const commits = commitsOn(journal, { overlapFrom: 4 });
  const [first, ...others] = lives(4);
  commits.enqueue(first!);
  await turns();
  for (const live of others) commits.enqueue(live);
  await turns();
  assert.deepEqual(sizes(), [1]);
  out[0]?.answer();
  await turns();
  assert.deepEqual(sizes(), [1, 3]);
  commits.stop();
});

test("what is too little for a second flush is not forgotten when its loop ends", async () => {
  const { journal, out, sizes } = slowJournal();
  const commits = commitsOn(journal, { overlapFrom: 4 });
  const all = lives(11);
  for (const live of all.slice(0, 8)) commits.enqueue(live);
  await turns();
  assert.deepEqual(sizes(), [4, 4]);
  for (const live of all.slice(8)) commits.enqueue(live);
  out[0]?.answer();
  await turns();
  assert.deepEqual(sizes(), [4, 4], "three rows are less than four");
  out[1]?.answer();
  await turns();
  assert.deepEqual(sizes(), [4, 4, 3]);
  commits.stop();
});

test("what cannot go yet, because its flush is out, keeps nobody busy", async () => {
  const { journal, sizes } = slowJournal();
  let turnsTaken = 0;
  const counting: Clock = { ...systemClock, turn: (then) => systemClock.turn(() => [(turnsTaken += 1), then()]) };
  const commits = commitsOn(journal, { overlapFrom: 2 }, counting);
  const all = lives(3);
  for (const live of all) commits.enqueue(live);
  await turns();
  for (const live of all) {
    live.apply({ kind: "recorded", source: "now", value: 1 }, 0);
    commits.enqueue(live);
  }
  const before = turnsTaken;
  for (let n = 0; n < 50; n += 1) await turn();
  assert.deepEqual(sizes(), [3]);
  assert.ok(turnsTaken - before <= all.length, `${turnsTaken - before} turns for nothing`);
  commits.stop();
});

/** A journal that throws what nobody foresaw for one of its transactions. */
function brokenFor(gid: string): { readonly journal: Journal; readonly written: string[] } {
  const written: string[] = [];
  const write = (batch: WriteBatch): Promise<readonly Verdict[]> => {
    if (batch.writes.some((it) => it.gid === gid)) return Promise.reject(new RangeError("nobody foresaw this"));
    written.push(...batch.writes.map((it) => it.gid));
    return Promise.resolve(batch.writes.map(() => "applied"));
  };
  return { journal: { write } satisfies Partial<Journal> as unknown as Journal, written };
}

test("an error that nobody foresaw ends no flush: its transaction is found by halving, the others are written", async () => {
  const { journal, written } = brokenFor("gid-0003");
  const poisoned: string[] = [];
  const notices: string[] = [];
  const sink = { verdict: () => undefined, poisoned: (live: Live) => poisoned.push(live.gid), sent: () => undefined };
  const commits = new GroupCommit({ journal, owner: () => "us", mayWrite: () => true, clock: systemClock, tuning: tune(), sink, notify: ({ kind }) => notices.push(kind) });
  for (const live of lives(8)) commits.enqueue(live);
  for (let n = 0; n < 10; n += 1) await turns();
  assert.deepEqual(poisoned, ["gid-0003"]);
  assert.equal(written.length, 7);
  assert.ok(notices.every((kind) => kind === "bug") && notices.length > 0);
  commits.stop();
});

test("a flush holds no more than batchBytesMax, and a row that is larger goes alone", async () => {
  const { journal, out } = slowJournal();
  const commits = commitsOn(journal, { batchBytesMax: 10_000 });
  for (const [n, live] of lives(7).entries()) {
    const large = new Live({ ...live.identity, input: "x".repeat(n === 3 ? 30_000 : 3_000) });
    large.apply({ kind: "started" }, 0);
    commits.enqueue(large);
  }
  for (let n = 0; n < 4; n += 1) {
    await turns();
    out[n]?.answer();
  }
  await turns();
  assert.deepEqual(out.map(({ batch }) => batch.writes.map(({ gid }) => gid.slice(-1)).join("")), ["012", "3", "456"]);
  commits.stop();
});
