import { describe, it, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { memoryStore, Pause, Pending, saga, TripactError, type Tripact, type TripactOptions } from "tripact";
import type { JournalRecord } from "../stores/store.ts";
import { eventually, gate, nodes } from "../../test/memory/nodes.ts";

const FAR_MS = 3_600_000;
const UNDO = { undo: () => undefined } as const;

/** A node whose reads of the journal go through `read`; nothing is polled, so that only what is asked for happens. */
function reading(t: TestContext) {
  const { node, database } = nodes(t);
  const store = memoryStore(database);
  let reads = 0;
  let held: Promise<void> | undefined;
  let down = false;
  const journal = Object.assign(Object.create(store.journal) as typeof store.journal, {
    write: store.journal.write.bind(store.journal),
    claim: store.journal.claim.bind(store.journal),
    post: store.journal.post.bind(store.journal),
    mail: store.journal.mail.bind(store.journal),
    counts: store.journal.counts.bind(store.journal),
    read: async (gids: readonly string[]): Promise<readonly JournalRecord[]> => {
      reads += 1;
      const first = held;
      held = undefined;
      const records = await store.journal.read(gids);
      if (down) throw new TripactError("store-unreachable", "down");
      // What was read stays as it was read, however late it arrives.
      await first;
      return records;
    },
  });
  return {
    database,
    start: (options: Partial<TripactOptions>): Promise<Tripact> => node({ store: { ...store, journal }, pollEveryMs: FAR_MS, ...options }),
    reads: () => reads,
    /** The next read, and only that one, waits. */
    holdNext: () => {
      const { opened, open } = gate();
      held = opened;
      return open;
    },
    goDown: () => {
      down = true;
    },
  };
}

describe("while a transaction is read again, because mail came before its decision", () => {
  async function deciding(t: TestContext) {
    const { database, start, holdNext, reads } = reading(t);
    const [begun, waits] = [gate(), gate()];
    const definition = saga("flow", async (tx, _: null) => await tx.step("a", async () => {
      begun.open();
      await waits.opened;
      return 1;
    }, UNDO));
    const tripact = await start({ definitions: [definition] });
    await tripact.start(definition, null, { gid: "g" });
    await begun.opened;
    database.transactions.get("g")?.mail.push({ gid: "g", n: 1, body: JSON.stringify({ kind: "cancel", by: "ann" }) });
    const [open, before] = [holdNext(), reads()];
    waits.open();
    await eventually(() => reads() > before, "the commit is refused, and the journal is read");
    return { tripact, definition, open };
  }

  it("nobody is told of the commit that the journal has refused", async (t) => {
    const { tripact, definition, open } = await deciding(t);
    const asked = await tripact.outcome("g");
    assert.equal(asked.kind, "open", JSON.stringify(asked));
    open();
    assert.equal((await tripact.run(definition, null, { gid: "g" })).kind, "rolled-back");
  });

  it("who waits for its end gets the one that is journaled, and it is still driven", async (t) => {
    const { tripact, definition, open } = await deciding(t);
    const end = tripact.run(definition, null, { gid: "g" });
    await wait(5);
    open();
    const outcome = await end;
    assert.deepEqual(outcome.kind === "rolled-back" ? outcome.reason : outcome, { kind: "cancelled", by: "ann" });
  });
});

describe("while a transaction is read again, because a person has said so", () => {
  async function resumed(t: TestContext) {
    const at = reading(t);
    let pauses = true;
    const definition = saga("flow", async (tx, _: null) => {
      const pay = tx.step("pay", () => Promise.reject(new Pending({ retryAfterMs: FAR_MS })), UNDO);
      if (pauses) throw new Pause("look at it");
      return await pay;
    });
    const tripact = await at.start({ definitions: [definition] });
    await tripact.start(definition, null, { gid: "g" });
    await eventually(() => at.database.transactions.get("g")?.entries.some(({ entry }) => entry.includes('"pending"')) === true, "it is pending");
    pauses = false;
    return { ...at, tripact, definition };
  }

  it("an answer that comes from outside is not lost", async (t) => {
    const { tripact, definition, holdNext, reads } = await resumed(t);
    const [open, before] = [holdNext(), reads()];
    await tripact.decide("g", undefined, "retry", "looked at");
    await eventually(() => reads() > before, "the journal is read");
    const completed = tripact.complete("g", "pay", { kind: "done", result: 7 });
    open();
    await completed;
    assert.deepEqual(await tripact.run(definition, null, { gid: "g" }), { kind: "committed", gid: "g", result: 7 });
  });

  it("a node that stops does not go on reading", async (t) => {
    const { tripact, goDown, reads } = await resumed(t);
    goDown();
    const before = reads();
    await tripact.decide("g", undefined, "retry", "looked at");
    await eventually(() => reads() > before + 1, "it reads, and reads again");
    await tripact.stop();
    const stopped = reads();
    await wait(150);
    assert.ok(reads() <= stopped + 1, `${reads() - stopped} reads since it stopped`);
  });
});
