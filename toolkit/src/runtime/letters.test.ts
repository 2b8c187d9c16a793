import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { memoryStore, Pending, saga, type MemoryDatabase, type Store } from "tripact";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const FAR_MS = 3_600_000;
const paying = saga("paying", async (tx, _: null) => await tx.step("pay", () => Promise.reject(new Pending({ retryAfterMs: FAR_MS })), { undo: "nothing" }));

/** A store whose next flushes wait for a gate. */
function gatedStore(database: MemoryDatabase): { readonly store: Store; readonly close: () => () => void } {
  const inner = memoryStore(database);
  const { journal } = inner;
  let passes = Promise.resolve();
  return {
    store: {
      ...inner,
      journal: {
        write: async (batch) => {
          await passes;
          return await journal.write(batch);
        },
        read: (gids) => journal.read(gids),
        claim: (claim) => journal.claim(claim),
        release: (owner, gids) => journal.release(owner, gids),
        post: (gid, body) => journal.post(gid, body),
        mail: (owner, limit) => journal.mail(owner, limit),
        list: (query) => journal.list(query),
        counts: () => journal.counts(),
        prune: (retention) => journal.prune(retention),
      },
    },
    close: () => {
      const { opened, open } = gate();
      passes = opened;
      return open;
    },
  };
}

describe("a letter to the owner on the same node", () => {
  it("is answered only when the journal has what it changes", async (t) => {
    const { node, database, journal } = nodes(t);
    const { store, close } = gatedStore(database);
    const tripact = await node({ store, definitions: [paying] });
    await tripact.start(paying, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "pending"), "it is pending");
    const open = close();
    let answered = false;
    const completed = tripact.complete("g", "pay", { kind: "done", result: 7 }).then(() => {
      answered = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual([answered, journal("g").some((event) => event.kind === "done")], [false, false]);
    open();
    await completed;
    assert.ok(journal("g").some((event) => event.kind === "done"));
  });

  it("is sent once more when the node loses the transaction before the journal has it", async (t) => {
    const { node, database, journal, dropLockOf } = nodes(t);
    const { store, close } = gatedStore(database);
    const first = await node({ store, definitions: [paying] });
    await first.start(paying, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "pending"), "it is pending");
    const open = close();
    const completed = first.complete("g", "pay", { kind: "done", result: 7 });
    const second = await node({ definitions: [paying] });
    await dropLockOf(first);
    await eventually(() => (database.transactions.get("g")?.epoch ?? 0) > 1, "another node takes over");
    open();
    await completed;
    assert.deepEqual(await second.run(paying, null, { gid: "g" }), { kind: "committed", gid: "g", result: 7 });
  });

  it("is sent once more when a mail overtook it and the journal is read again", async (t) => {
    const { node, database, journal } = nodes(t);
    const { store, close } = gatedStore(database);
    const tripact = await node({ store, definitions: [paying] });
    await tripact.start(paying, null, { gid: "g" });
    await eventually(() => journal("g").some((event) => event.kind === "pending"), "it is pending");
    const open = close();
    // The flush that is under way holds the decision, and may not pass the mail that is posted meanwhile.
    const completed = tripact.complete("g", "pay", { kind: "done", result: 7 });
    await eventually(() => database.transactions.get("g") !== undefined, "the flush is under way");
    await memoryStore(database).journal.post("g", JSON.stringify({ kind: "nudge", branch: "nobody" }));
    open();
    await completed;
    assert.deepEqual(await tripact.run(paying, null, { gid: "g" }), { kind: "committed", gid: "g", result: 7 });
  });

  it("a gid of another definition's transaction is a conflict, and nothing is completed", async (t) => {
    const { node, journal } = nodes(t);
    const [here, there] = [await node({ definitions: [paying] }), await node({ definitions: [paying] })];
    await here.start(paying, null, { gid: "g" });
    for (const tripact of [here, there]) await assert.rejects(tripact.complete("g", "pay", { kind: "done" }, { definition: "other" }), { code: "conflicting-gid" });
    assert.ok(!journal("g").some((event) => event.kind === "done"));
    await there.complete("g", "pay", { kind: "done", result: 1 }, { definition: "paying" });
    assert.equal((await here.decided("g")).kind, "committed");
  });

  it("decided() answers for a transaction that waits for a person, and makes an unknown gid never start", async (t) => {
    const { node } = nodes(t);
    const throwing = saga("throwing", async (tx, _: null) => {
      await tx.pivot("ship", () => 1);
      throw new Error("nobody to thank");
    });
    const tripact = await node({ definitions: [throwing] });
    await tripact.start(throwing, null, { gid: "g" });
    const outcome = await tripact.decided("g");
    assert.ok(outcome.kind === "open" && outcome.parked?.includes("nobody to thank"), JSON.stringify(outcome));
    assert.equal((await tripact.decided("unknown")).kind, "never-started");
    await assert.rejects(tripact.start(throwing, null, { gid: "unknown" }), { code: "never-started" });
  });
});
