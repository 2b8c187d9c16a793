import { freshDatabase, startProxy } from "@tripact/testbed";
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Pool } from "pg";
import type { Sink } from "../../../brokers/broker.ts";
import { saga } from "../../../flow/saga.ts";
import { postgresWaker, send, waking } from "../../../outbox.ts";
import { pgTransactions } from "../../../participants/transaction.ts";
import { createRelay, postgresOutboxLog, type OutboxLog } from "../../../relay.ts";
import { systemClock, type Clock } from "../../../runtime/clock.ts";
import { createTripact } from "../../../tripact.ts";
import { migrate } from "../migrate.ts";
import { postgresStore } from "../store.ts";

const database = await freshDatabase("waker");
const pool = new Pool({ connectionString: database.url, max: 4 });
await migrate(database.url);
const closing: (() => Promise<void>)[] = [() => pool.end(), () => database.drop()];
after(async () => {
  for (const close of closing) await close();
});
const open = pgTransactions(pool);

async function eventually(holds: () => boolean, what: string): Promise<void> {
  const untilMs = performance.now() + 20_000;
  while (!holds()) {
    assert.ok(performance.now() < untilMs, `within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const MINUTE_MS = 60_000;

/** Its minutes pass only when the test says so: what is delivered before that was not polled for. */
function standingMinutes(): { readonly clock: Clock; readonly pass: () => void } {
  const waiting = new Set<() => void>();
  const later: Clock["after"] = (ms, happen) => {
    if (ms < MINUTE_MS) return systemClock.after(ms, happen);
    waiting.add(happen);
    return () => void waiting.delete(happen);
  };
  const clock: Clock = { ...systemClock, after: later };
  return {
    clock,
    pass: () => {
      for (const happen of [...waiting]) {
        waiting.delete(happen);
        happen();
      }
    },
  };
}

/** A relay that polls once a minute, with a count of the reads that were answered. */
async function sleepyRelay(name: string) {
  const { clock, pass } = standingMinutes();
  const inner = postgresOutboxLog({ url: database.url });
  let reads = 0;
  const messages: OutboxLog["messages"] = {
    // One that is under way would not see what is committed now, and would poll again in a minute.
    read: (query) => inner.messages.read(query).finally(() => void (reads += 1)),
    settle: (settlement) => inner.messages.settle(settlement),
    tidy: (keepMs) => inner.messages.tidy(keepMs),
  };
  const { features, lanes, retries, desk, membership } = inner;
  const log: OutboxLog = { features, lanes, retries, desk, membership, messages, connect: () => inner.connect(), health: () => inner.health(), announce: () => inner.announce(), close: () => inner.close() };
  const got: string[] = [];
  const sink: Sink = {
    features: { name: "ear", persistent: false, ordered: true, deduplicates: false, batchMax: 100 },
    deliver: async (all) => {
      for (const { payload } of all) got.push(payload);
      return all.map(() => ({ kind: "done" }));
    },
    close: async () => undefined,
  };
  // Its rounds of the lanes look as well, so they stand still too.
  const relay = await createRelay({ log, source: "test", clock, leaseMs: 4 * MINUTE_MS, beatEveryMs: MINUTE_MS, pollMinMs: MINUTE_MS, pollMaxMs: MINUTE_MS, subscriptions: [{ name, topics: [name], sink }] });
  await eventually(() => reads > 0, "the first look");
  const say = (db: Parameters<typeof send>[0], payload: number): Promise<string> => send(db, { topic: name, key: "k", payload });
  return { relay, got, pass, say, reads: () => reads };
}

/** Notifications of `outbox` on this database. */
async function ears(): Promise<{ readonly heard: () => number; readonly stop: () => Promise<void> }> {
  const client = await pool.connect();
  let heard = 0;
  const hear = ({ payload }: { readonly payload?: string | undefined }): void => void (heard += payload === "outbox" ? 1 : 0);
  client.on("notification", hear);
  await client.query("listen tripact");
  return {
    heard: () => heard,
    stop: async () => {
      // What was sent before is heard before this answer.
      await client.query("select");
      client.removeListener("notification", hear);
      await client.query("unlisten tripact");
      client.release();
    },
  };
}

describe("a relay that polls once a minute", () => {
  test("delivers at the notification after the commit, and at the poll without one", async () => {
    const waker = postgresWaker({ url: database.url });
    const transaction = waking(open, waker);
    const { relay, got, pass, say, reads } = await sleepyRelay("woken");
    try {
      await transaction((db) => say(db, 1));
      await eventually(() => got.length === 1, "delivered by the notification");

      // Nobody is woken by what was rolled back, by what wrote no message, or by a commit outside of `waking`.
      const { heard, stop } = await ears();
      const before = reads();
      await assert.rejects(transaction((db) => say(db, 2).then(() => Promise.reject(new Error("no")))), /no/);
      await transaction((db) => db.execute("select", []));
      await open((db) => say(db, 3));
      await pool.query("select pg_notify('tripact', 'fence')");
      assert.deepEqual({ heard: heard(), reads: reads(), got: got.length }, { heard: 0, reads: before, got: 1 });
      await stop();
      pass();
      await eventually(() => got.length === 2, "delivered by the poll");
      assert.deepEqual(got, ["1", "3"]);
    } finally {
      await relay.stop();
      await waker.close();
      await waker.close();
    }
  });

  test("is woken by a coordinator after a decision with messages, and after a local SQL step that sent some", async () => {
    const { relay, got, say } = await sleepyRelay("coordinated");
    const emits = saga("emits", async (tx) => {
      await tx.emit("coordinated", { key: "k", payload: 1 });
    });
    const sends = saga("sends", async (tx) => {
      await tx.sql("write", (db) => say(db, 2), { undo: "nothing" });
    });
    const tripact = await createTripact({ store: postgresStore({ url: database.url }), definitions: [emits, sends], leaseMs: 4 * MINUTE_MS });
    try {
      await tripact.run(emits, null);
      await eventually(() => got.length === 1, "the emitted one is delivered by the notification");
      await tripact.run(sends, null);
      await eventually(() => got.length === 2, "the sent one is delivered by the notification");
      assert.deepEqual(got, ["1", "2"]);
    } finally {
      await tripact.stop();
      await relay.stop();
    }
  });
});

describe("a waker", () => {
  test("sends one notification for many commits", async () => {
    const waker = postgresWaker({ url: database.url });
    const { heard, stop } = await ears();
    for (let commit = 0; commit < 500; commit += 1) waker.wake();
    await waker.close();
    await pool.query("select");
    await stop();
    // Those of one turn share the first; what was asked for while it was under way, the second.
    assert.ok(heard() >= 1 && heard() <= 2, String(heard()));
    waker.wake();
  });

  test("harms nobody without a server, says so once, and wakes again when it is back", async () => {
    const url = new URL(database.url);
    const proxy = await startProxy({ target: { host: url.hostname, port: Number(url.port) } });
    url.hostname = proxy.host;
    url.port = String(proxy.port);
    const errors: string[] = [];
    const waker = postgresWaker({ url: url.href, onError: ({ message }) => errors.push(message) });
    const { heard, stop } = await ears();
    try {
      waker.wake();
      await eventually(() => heard() === 1, "the first one");
      await proxy.reset();
      for (let commit = 0; commit < 3; commit += 1) waker.wake();
      await eventually(() => errors.length === 1, "it says that it cannot");
      assert.equal(heard(), 1);
      await proxy.pass();
      await eventually(() => heard() > 1, "what was missed is said when it is back");
      assert.equal(errors.length, 1);
    } finally {
      await stop();
      await waker.close();
      await proxy.close();
    }
  });
});
