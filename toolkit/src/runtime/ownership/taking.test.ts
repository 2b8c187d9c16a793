import { describe, it, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { memoryStore, saga, TripactError, type MemoryDatabase, type Store } from "tripact";
import { eventually, gate, nodes } from "../../../test/memory/nodes.ts";
import type { Journal } from "../../stores/store.ts";

const quick = saga("quick", async (tx, n: number) => await tx.step("a", () => n, { undo: () => undefined }));

/** A store with some methods of its journal replaced. */
function storeWith(database: MemoryDatabase, replaced: (journal: Journal) => Partial<Journal>): Store {
  const store = memoryStore(database);
  const { journal } = store;
  const bound: Journal = {
    write: (batch) => journal.write(batch),
    read: (gids) => journal.read(gids),
    claim: (claim) => journal.claim(claim),
    release: (owner, gids) => journal.release(owner, gids),
    post: (gid, body) => journal.post(gid, body),
    mail: (owner, limit) => journal.mail(owner, limit),
    list: (query) => journal.list(query),
    counts: () => journal.counts(),
    prune: (retention) => journal.prune(retention),
  };
  return { ...store, journal: { ...bound, ...replaced(journal) } };
}

/** Transactions g-1 … g-n that a dead node has left behind, and whose code hangs there. */
async function orphans(t: TestContext, count: number) {
  const at = nodes(t);
  const { opened: hangs } = gate();
  const hanging = saga("quick", async (tx, _: number) => await tx.step("a", () => hangs as Promise<unknown> as Promise<number>, { undo: () => undefined }));
  const first = await at.node({ definitions: [hanging] });
  const gids = Array.from({ length: count }, (_, index) => `g-${index + 1}`);
  for (const [index, gid] of gids.entries()) await first.start(hanging, index, { gid });
  await first.stop();
  const isOver = (gid: string): boolean => at.database.transactions.get(gid)?.summary.ended === true;
  return { ...at, gids, isOver };
}

describe("takeover of a transaction that cannot be driven", () => {
  const corruptions: readonly (readonly [string, (row: { entries: { entry: string }[] }) => void])[] = [
    ["its entries are not JSON", (row) => void (row.entries[0] = { ...row.entries[0]!, entry: "{" })],
    ["it holds an event that this code does not know", (row) => void row.entries.push({ ...row.entries[0]!, entry: '[{"kind":"novel"}]' })],
    ["it has no entries", (row) => void (row.entries.length = 0)],
  ];
  for (const [what, corrupt] of corruptions) {
    it(`parks it where people look, and drives the others on: ${what}`, async (t) => {
      const { node, database, gids, isOver, notices } = await orphans(t, 3);
      corrupt(database.transactions.get("g-1") as unknown as { entries: { entry: string }[] });
      const heir = await node({ definitions: [quick] });
      await eventually(() => gids.slice(1).every(isOver), "the others end");
      const [parked] = await heir.list({ state: "parked" });
      assert.deepEqual([parked?.gid, parked?.summary.parked?.split(":")[0]], ["g-1", "unreadable"]);
      assert.ok(notices.some((notice) => notice.kind === "unreadable" && notice.gid === "g-1"));
      assert.equal(heir.ready(), true);
      const outcome = await heir.outcome("g-1");
      assert.ok(outcome.kind === "open" && outcome.parked?.startsWith("unreadable"), JSON.stringify(outcome));
    });
  }

  it("a node that can read it goes on with it", async (t) => {
    const { node, database, isOver } = await orphans(t, 1);
    const row = database.transactions.get("g-1");
    const [opening] = row?.entries ?? [];
    assert.ok(row !== undefined && opening !== undefined);
    row.entries[0] = { ...opening, entry: "{" };
    const old = await node({ definitions: [quick] });
    await eventually(async () => (await old.list({ state: "parked" })).length === 1, "it is parked");
    await old.stop();
    row.entries[0] = opening;
    const fresh = await node({ definitions: [quick] });
    await eventually(() => isOver("g-1"), "it ends");
    assert.deepEqual(await fresh.list({ state: "parked" }), []);
  });

  it("one of them that is ours already, and is read again, parks too", async (t) => {
    const { node, database } = nodes(t);
    const [begun, hangs] = [gate(), gate()];
    const definition = saga("flow", async (tx, _: null) => await tx.step("a", async () => {
      begun.open();
      await hangs.opened;
    }, { undo: () => undefined }));
    const tripact = await node({ definitions: [definition] });
    await tripact.start(definition, null, { gid: "g" });
    await begun.opened;
    const row = database.transactions.get("g");
    assert.ok(row !== undefined);
    row.entries.push({ ...row.entries[0]!, seq: 2, entry: '[{"kind":"novel"}]' });
    // The mail guard refuses the commit, so the journal is read again.
    row.mail.push({ gid: "g", n: 1, body: '{"kind":"nudge"}' });
    hangs.open();
    await eventually(async () => (await tripact.list({ state: "parked" })).some(({ gid }) => gid === "g"), "it is parked");
  });
});

describe("takeover when a slice of the journal cannot be read", () => {
  const failures: readonly (readonly [string, () => unknown])[] = [
    ["the read takes too long", () => new TripactError("store-unreachable", "Postgres rolled the statement back: canceling statement due to statement timeout.")],
    ["a row cannot be read", () => new TripactError("store-bad-row", "Postgres refuses this data.")],
    ["a row makes the adapter throw", () => new TypeError("column entries holds no text")],
  ];
  for (const [what, failure] of failures) {
    it(`halves it until the culprit is alone, and parks that: ${what}`, async (t) => {
      const { node, database, gids, isOver } = await orphans(t, 5);
      const store = storeWith(database, (journal) => ({ read: (asked) => (asked.includes("g-3") ? Promise.reject(failure()) : journal.read(asked)) }));
      const heir = await node({ store, definitions: [quick], flushRetryMs: 1 });
      assert.equal(heir.ready(), true);
      await eventually(() => gids.every((gid) => gid === "g-3" || isOver(gid)), "the others end");
      assert.deepEqual((await heir.list({ state: "parked" })).map(({ gid }) => gid), ["g-3"]);
    });
  }

  it("parks nobody for a store that is down for a while", async (t) => {
    const { node, database, gids, isOver } = await orphans(t, 5);
    let failing = 40;
    const store = storeWith(database, (journal) => ({
      read: (asked) => {
        failing -= 1;
        return failing > 0 ? Promise.reject(new TripactError("store-unreachable", "down")) : journal.read(asked);
      },
    }));
    const heir = await node({ store, definitions: [quick], flushRetryMs: 1 });
    await eventually(() => gids.every(isOver), "all end");
    assert.deepEqual(await heir.list({ state: "parked" }), []);
  });

  it("claims less at once where a claim takes too long", async (t) => {
    const { node, database, gids, isOver } = await orphans(t, 5);
    const store = storeWith(database, (journal) => ({
      claim: (claim) => (claim.limit > 2 ? Promise.reject(new TripactError("store-unreachable", "canceling statement due to statement timeout")) : journal.claim(claim)),
    }));
    await node({ store, definitions: [quick], flushRetryMs: 1, claimSlice: 8 });
    await eventually(() => gids.every(isOver), "all end");
  });
});

it("a sweep that is asked for in the moment in which one ends is done", async (t) => {
  const { node, database } = nodes(t);
  let sweeps = 0;
  const tripact = await node({
    store: storeWith(database, (journal) => ({
      claim: async (claim) => {
        sweeps += 1;
        return await journal.claim(claim);
      },
    })),
    definitions: [quick],
    pollEveryMs: 3_600_000,
  });
  // Work is announced at each microtask around the end of a sweep: the last wish is always granted.
  for (let ticks = 0; ticks < 24; ticks += 1) {
    for (const hear of database.listeners) hear("work");
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    const before = sweeps;
    for (const hear of database.listeners) hear("work");
    await eventually(() => sweeps > before, `a sweep follows the announcement ${ticks} ticks after the last`);
  }
  assert.equal(tripact.ready(), true);
});
