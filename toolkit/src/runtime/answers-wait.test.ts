import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { participant, saga, type MemoryDatabase } from "tripact";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const NEVER_MS = 3_600_000;

/** Two reservations beside each other, and how often each was asked. */
function pair(slow: Promise<void>) {
  const asked = { quick: 0, slow: 0 };
  const quick = participant<null, undefined>({ name: "quick", try: () => {
      asked.quick += 1;
      return undefined;
    }, confirm: () => undefined, cancel: () => undefined });
  const late = participant<null, undefined>({
    name: "late",
    try: async () => {
      asked.slow += 1;
      await slow;
      return undefined;
    },
    confirm: () => undefined,
    cancel: () => undefined,
  });
  const definition = saga("pair", async (tx, _: null) => void (await Promise.all([tx.tcc("quick", quick, null), tx.tcc("late", late, null)])));
  return { asked, definition };
}

/** What each entry says, entry by entry. */
function entriesOf(database: MemoryDatabase, gid: string): string[] {
  return (database.transactions.get(gid)?.entries ?? []).map(({ entry }) => (JSON.parse(entry) as { kind: string; branch?: string }[]).map(({ kind, branch }) => (branch === undefined ? kind : `${kind} ${branch}`)).join(", "));
}

describe("an answer from which nothing follows yet", () => {
  it("goes with the next entry: two reservations and their confirms are three entries, not six", async (t) => {
    const { node, database } = nodes(t);
    const slow = gate();
    const { asked, definition } = pair(slow.opened);
    const tripact = await node({ definitions: [definition], answerWaitsMs: NEVER_MS });
    const run = tripact.run(definition, null, { gid: "g" });
    await eventually(() => asked.quick === 1 && asked.slow === 1, "both are asked");
    slow.open();
    assert.equal((await run).kind, "committed");
    assert.deepEqual(entriesOf(database, "g"), [
      "started, registered quick, registered late",
      "done quick, done late, commit-requested, decided",
      "done quick, done late",
    ]);
  });

  it("is journaled by itself when the others take longer", async (t) => {
    const { node, database } = nodes(t);
    const slow = gate();
    const { definition } = pair(slow.opened);
    const tripact = await node({ definitions: [definition], answerWaitsMs: 5 });
    const run = tripact.run(definition, null, { gid: "g" });
    await eventually(() => entriesOf(database, "g").includes("done quick"), "it is journaled");
    slow.open();
    assert.equal((await run).kind, "committed");
  });

  it("is asked for again where a crash forgot it", async (t) => {
    const { node, database, dropLockOf } = nodes(t);
    const slow = gate();
    const { asked, definition } = pair(slow.opened);
    const first = await node({ definitions: [definition], answerWaitsMs: NEVER_MS });
    await first.start(definition, null, { gid: "g" });
    await eventually(() => asked.quick === 1 && asked.slow === 1, "both are asked");
    assert.deepEqual(entriesOf(database, "g").length, 1);
    const heir = await node({ definitions: [definition], answerWaitsMs: NEVER_MS });
    await dropLockOf(first);
    await eventually(() => asked.quick === 2, "the heir asks again");
    slow.open();
    assert.equal((await heir.run(definition, null, { gid: "g" })).kind, "committed");
  });

  it("is journaled before a node that stops hands over", async (t) => {
    const { node, database } = nodes(t);
    const { asked, definition } = pair(gate().opened);
    const tripact = await node({ definitions: [definition], answerWaitsMs: NEVER_MS });
    await tripact.start(definition, null, { gid: "g" });
    await eventually(() => asked.quick === 1 && asked.slow === 1, "both are asked");
    await tripact.stop();
    assert.equal(entriesOf(database, "g").includes("done quick"), true);
  });

  it("waits for nothing without a barrier behind it", async (t) => {
    const { node, database } = nodes(t);
    const slow = gate();
    const definition = saga("bare", async (tx, _: null) =>
      void (await Promise.all([
        tx.step("bare", () => 1, { undo: () => undefined, unguarded: { ask: () => Promise.resolve(true), settleMs: 1 } }),
        tx.step("late", () => slow.opened, { undo: "nothing" }),
      ])));
    const tripact = await node({ definitions: [definition], answerWaitsMs: NEVER_MS });
    const run = tripact.run(definition, null, { gid: "g" });
    await eventually(() => entriesOf(database, "g").includes("done bare"), "it is journaled");
    slow.open();
    assert.equal((await run).kind, "committed");
  });
});
