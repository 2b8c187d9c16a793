import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { memoryStore, saga, TripactError } from "tripact";
import type { Journal, JournalRecord } from "../stores/store.ts";
import { gate, nodes } from "../../test/memory/nodes.ts";
import { Readings } from "./reading.ts";

const WAITERS = 200;

describe("many who wait for what another node drives", () => {
  it("are one question a look, however many they are", async (t) => {
    const { node, database } = nodes(t);
    const { opened: waits, open } = gate();
    const slow = saga("slow", async (tx, n: number) => await tx.step("a", () => waits.then(() => n), { undo: () => undefined }));
    const store = memoryStore(database);
    const read = store.journal.read.bind(store.journal);
    let reads = 0;
    store.journal.read = (gids, purpose) => {
      reads += 1;
      return read(gids, purpose);
    };
    const here = await node({ definitions: [slow] });
    const there = await node({ store, definitions: [slow], attachPollMs: 20 });
    const gids = Array.from({ length: WAITERS }, (_, index) => `g-${index}`);
    await Promise.all(gids.map((gid, index) => here.start(slow, index, { gid })));
    const ends = gids.map((gid, index) => there.run(slow, index, { gid }));
    await wait(50);
    const before = reads;
    await wait(200);
    // 200 waiters, ten looks each: 2,000 questions, in readings of at most 500 each.
    assert.ok(reads - before <= 40, `${reads - before} readings in 200 ms`);
    open();
    assert.deepEqual((await Promise.all(ends)).map((outcome) => (outcome.kind === "committed" ? outcome.result : outcome)), gids.map((_, index) => index));
  });
});

describe("readings", () => {
  const recordOf = (gid: string): JournalRecord => ({
    gid,
    ...{ definition: "d", version: "1", inputHash: "", input: "null", owner: null, epoch: 1, seq: 1, mail: 0, mailSeen: 0, startedAtMs: 0, updatedAtMs: 0 },
    summary: { status: "forward", ended: false, late: false },
    entries: [],
    unread: [],
  });
  const journalOf = (read: Journal["read"]): Pick<Journal, "read"> => ({ read });

  it("one bad record is the trouble of its own reader only", async () => {
    const readings = new Readings(journalOf((gids) => (gids.includes("bad") ? Promise.reject(new TypeError("no text")) : Promise.resolve(gids.map(recordOf)))), 500);
    const [a, bad, b] = await Promise.allSettled([readings.one("a"), readings.one("bad"), readings.one("b")]);
    assert.deepEqual([a, b].map((read) => read?.status === "fulfilled" && read.value?.gid), ["a", "b"]);
    assert.equal(bad?.status, "rejected");
  });

  it("a store that is away is asked once, not once a reader", async () => {
    let reads = 0;
    const readings = new Readings(journalOf(() => {
      reads += 1;
      return Promise.reject(new TripactError("store-unreachable", "away"));
    }), 500);
    const all = await Promise.allSettled(["a", "b", "c"].map((gid) => readings.one(gid)));
    assert.deepEqual([all.every(({ status }) => status === "rejected"), reads], [true, 1]);
  });

  it("what is asked while a reading is under way is read after it", async () => {
    const first = gate();
    const readings = new Readings(journalOf(async (gids) => {
      if (gids.includes("a")) await first.opened;
      return gids.map(recordOf);
    }), 1);
    const asked = [readings.one("a"), readings.one("b"), readings.one("nobody")];
    await wait(1);
    const again = readings.one("a");
    first.open();
    assert.deepEqual((await Promise.all([...asked, again])).map((record) => record?.gid), ["a", "b", "nobody", "a"]);
  });
});
