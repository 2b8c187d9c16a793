import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { memoryStore, saga, TripactError, type Store } from "tripact";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const UNDO = { undo: () => undefined } as const;

/** What the journal answers while `down()` is true: nothing was written. */
function outage(inner: Store, down: () => boolean): Store {
  const { journal } = inner;
  const read = journal.read.bind(journal);
  journal.read = (gids) => (down() ? Promise.reject(new TripactError("store-unreachable", "No connection.", { hint: "Nothing was written." })) : read(gids));
  return inner;
}

describe("who waits for a transaction that another node drives", () => {
  it("is not told that nothing was written when the store is away for a while", async (t) => {
    const { node, database, notices } = nodes(t);
    const [begun, waits] = [gate(), gate()];
    const definition = saga("slow", async (tx, _: null) => await tx.step("a", async () => {
      begun.open();
      await waits.opened;
      return 1;
    }, UNDO));
    let down = false;
    const here = await node({ definitions: [definition] });
    const there = await node({ store: outage(memoryStore(database), () => down), definitions: [definition] });
    await here.start(definition, null, { gid: "g" });
    await begun.opened;
    assert.equal((await there.start(definition, null, { gid: "g" })).attached, true);
    const end = there.run(definition, null, { gid: "g" });
    end.catch(() => undefined);
    await wait(20);
    down = true;
    const told = notices.length;
    await eventually(() => notices.slice(told).some((notice) => notice.kind === "store"), "the store is away");
    down = false;
    waits.open();
    assert.deepEqual(await end, { kind: "committed", gid: "g", result: 1 });
  });
});

describe("stopping twice at once", () => {
  it("closes the store only when what was in flight is journaled", async (t) => {
    const { node, database, journal } = nodes(t);
    const [begun, waits] = [gate(), gate()];
    const definition = saga("slow", async (tx, _: null) => await tx.step("a", async () => {
      begun.open();
      await waits.opened;
      return 1;
    }, UNDO));
    const store = memoryStore(database);
    let closedWith: string[] | undefined;
    const close = (): Promise<void> => {
      closedWith ??= journal("g").map(({ kind }) => kind);
      return Promise.resolve();
    };
    const tripact = await node({ store: { ...store, close }, definitions: [definition], stopWithinMs: 5_000 });
    await tripact.start(definition, null, { gid: "g" });
    await begun.opened;
    const stops = [tripact.stop(), tripact.stop()];
    setTimeout(() => waits.open(), 30);
    await Promise.all(stops);
    assert.ok(closedWith?.includes("done"), JSON.stringify(closedWith));
  });
});
