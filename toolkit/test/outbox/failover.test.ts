import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test, type TestContext } from "node:test";
import { freshDatabase, startPair, startProxy, type PostgresPair } from "@tripact/testbed";
import { Pool } from "pg";
import { migrateBarrier } from "../../src/participants/migrate.ts";
import { pgTransactions } from "../../src/participants/transaction.ts";
import type { Envelope } from "../../src/brokers/broker.ts";
import { TripactError } from "../../src/protocol/errors.ts";
import { postgresConsumer, postgresOutboxLog, type LoggedMessage, type OutboxLog } from "../../src/relay.ts";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { cursorOf, positionOf } from "../../src/stores/postgres/outbox/cursor.ts";
import { LANES } from "../../src/stores/outbox-log.ts";
import { bySnapshot } from "./readers.ts";
import { eventually, openWriter, said, type Writer } from "./scene.ts";

const lanes = Array.from({ length: LANES }, (_, lane) => lane);

test("note 14: the log's stream shows a message that no standby has and a failover erases; the table does not", async (t) => {
  const pair = await startPair({ settings: { wal_level: "logical" } });
  t.after(() => pair.remove());
  const { primary, standby } = pair;
  await migrate(primary.url());
  const [writer, eyes] = [await openWriter(primary.url()), await openWriter(primary.url())];
  await eyes.query("create publication everything for all tables");
  await eyes.query("select pg_create_logical_replication_slot('stream', 'pgoutput')");
  const log = await connected(t, primary.url());
  const table = await bySnapshot(log, "t");
  await writer.send("t", "k:certain");
  assert.deepEqual(await table.read(), ["k:certain"]);
  assert.equal(await isInStream(eyes, "certain"), true);

  await standby.crash();
  const commit = writer.send("t", "k:phantom").catch(() => undefined);
  await eventually("the commit waits for the standby", async () => (await eyes.query("select from pg_stat_activity where wait_event = 'SyncRep'")).length === 1);
  await eventually("it rings when bodies are taken from the stream: there it is", () => isInStream(eyes, "phantom"));
  assert.deepEqual(await table.read(), [], "no snapshot shows it");
  await log.close();

  await failOver(pair);
  await commit;
  const after = await connected(t, standby.url());
  assert.deepEqual(await (await bySnapshot(after, "t")).read(), ["k:certain"], "nobody was told of it, and it is gone");
});

async function isInStream(eyes: Writer, word: string): Promise<boolean> {
  const changes = await eyes.query("select data from pg_logical_slot_peek_binary_changes('stream', null, null, 'proto_version', '1', 'publication_names', 'everything')");
  return changes.some(({ data }) => Buffer.isBuffer(data) && data.includes(word));
}

/** The standby takes over; the primary is dead. */
async function failOver(pair: PostgresPair): Promise<void> {
  await pair.primary.crash();
  if (pair.standby.pid === undefined) await pair.standby.start();
  await pair.promote();
}

async function connected(t: TestContext, url: string): Promise<OutboxLog> {
  const log = postgresOutboxLog({ url });
  t.after(() => log.close());
  await log.connect();
  return log;
}

interface Forgotten {
  readonly log: OutboxLog;
  readonly subscription: string;
  readonly owner: string;
  /** Read before the failover, from transactions that it forgot. */
  readonly lost: readonly LoggedMessage[];
  /** Where a reader stood then. */
  readonly cursor: string;
  /** Written after it, under transaction ids and sequence values that were given before. */
  readonly fresh: readonly LoggedMessage[];
}

/** A failover to a standby that has fallen behind: the new primary gives ids and numbers once more. */
async function forget(t: TestContext): Promise<Forgotten> {
  const pair = await startPair();
  const { primary, standby } = pair;
  const proxy = await startProxy({ target: primary });
  t.after(async () => {
    await proxy.close();
    await pair.remove();
  });
  await migrate(primary.url());
  const through = new URL(primary.url());
  through.port = String(proxy.port);
  const log = await connected(t, through.href);
  const [owner, subscription] = [randomUUID(), "reader"];
  await log.membership.join({ incarnation: owner, name: "a reader", runs: [] });
  const [claimed] = await log.lanes.claim({ subscription, owner, lanes });
  const writer = await openWriter(primary.url());
  await writer.query("alter system set synchronous_standby_names = ''");
  await writer.query("select pg_reload_conf()");
  // The standby has all until now, and nothing of what follows.
  const [now] = await writer.query("select pg_current_wal_flush_lsn()::text as lsn");
  await eventually("the standby has caught up", async () => (await writer.query("select from pg_stat_replication where replay_lsn >= $1::pg_lsn", [now?.["lsn"]])).length === 1);
  await standby.crash();
  for (let n = 0; n < 50; n += 1) await writer.send("t", `lost:${n}`);
  const page = await log.messages.read({ lanes, cursor: claimed?.cursor ?? "", limit: 100 });
  assert.equal(page.messages.length, 50);
  await failOver(pair);
  proxy.retarget(standby);
  const survivor = await openWriter(standby.url());
  for (let n = 0; n < 3; n += 1) await survivor.send("t", `fresh:${n}`);
  const rows = await survivor.query("select seq::int, tx::text, id, lane, topic, key, payload, headers from tripact.outbox order by seq");
  assert.ok(rows.every(({ tx }) => BigInt(String(tx)) < BigInt(positionOf(page.cursor).seen.split(":")[1] ?? "0")), "their transaction ids were given before");
  const fresh = rows.map((row) => ({ ...(row as unknown as LoggedMessage), recordedAtMs: 0 }));
  assert.ok(fresh.every(({ seq }) => page.messages.some((it) => it.seq === seq)), "and so were their numbers");
  await Promise.allSettled([writer.end(), survivor.end()]);
  return { log, subscription, owner, lost: page.messages, cursor: page.cursor, fresh };
}

test("note 26: after a failover that forgot some, cursors of the session before are refused, and numbers that are given again name nobody", async (t) => {
  const { log, subscription, owner, lost, cursor, fresh } = await forget(t);
  const read = (from: string): Promise<readonly string[]> => answered(async () => (await log.messages.read({ lanes, cursor: from, limit: 100 })).messages.map(said));
  await assert.rejects(read(cursor), isCursorLost);
  await assert.rejects(answered(() => log.messages.settle({ subscription, owner, lanes: lanes.map((lane) => ({ lane, epoch: 1 })), cursor, copies: [] })), isCursorLost);

  await answered(() => log.membership.join({ incarnation: owner, name: "a reader", runs: [] }));
  const [claimed] = await answered(() => log.lanes.claim({ subscription, owner, lanes }));
  assert.deepEqual(await read(claimed?.cursor ?? ""), fresh.map(said), "as the log has it");
  const { session } = positionOf(claimed?.cursor ?? "");
  const believed = cursorOf({ ...positionOf(cursor), session });
  assert.deepEqual(await read(believed), [], "it rings when the old cursor is believed: these messages count as read");

  const receiver = await freshDatabase("failover_receiver");
  const pool = new Pool({ connectionString: receiver.url, max: 2 });
  t.after(async () => {
    await pool.end();
    await receiver.drop();
  });
  await pgTransactions(pool)(migrateBarrier);
  for (const [name, identify, expected] of [
    ["by id", (message: LoggedMessage) => message.id, [...lost, ...fresh].map(said)],
    ["by number", (message: LoggedMessage) => String(message.seq), lost.map(said)],
  ] as const) {
    const handled: string[] = [];
    const sink = postgresConsumer({ name, database: pool, handle: async (_, { key, payload }) => void handled.push(`${key}:${String(JSON.parse(JSON.stringify(payload)))}`) });
    for (const message of [...lost, ...fresh]) {
      const envelope: Envelope = { ...message, id: identify(message), source: "shop", headers: {}, attempt: 1 };
      assert.deepEqual(await sink.deliver([envelope], new AbortController().signal), [{ kind: "done" }]);
    }
    assert.deepEqual(handled, expected, name === "by id" ? "each message counts" : "it rings when a number is taken for an identity: new messages are taken for known ones");
  }
});

function isCursorLost(error: unknown): boolean {
  return error instanceof TripactError && error.code === "cursor-lost";
}

/** A log that finds its server again may say first that it has lost it. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + 20_000;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const waits = error instanceof TripactError && (error.code === "store-unreachable" || error.code === "store-unknown");
      if (!waits || performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
