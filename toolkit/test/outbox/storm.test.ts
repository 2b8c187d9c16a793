import assert from "node:assert/strict";
import { after, test } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import type { Sink } from "../../src/brokers/broker.ts";
import { migrateBarrier } from "../../src/participants/migrate.ts";
import { pgTransactions } from "../../src/participants/transaction.ts";
import { createRelay, postgresConsumer, postgresOutboxLog, type Notice, type Relay } from "../../src/relay.ts";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { seed } from "../protocol/seed.ts";
import { eventually, openWriter, type Writer } from "./scene.ts";

/** `TRIPACT_STORM_SECONDS=60` for a longer one. */
const STORM_MS = Number(process.env["TRIPACT_STORM_SECONDS"] ?? 20) * 1_000;
const WRITERS = 16;
/** Fewer than writers, so that they meet. */
const KEYS = 12;
/** Between two applications while the writers write, beyond what the machine itself stood still. */
const GAP_MAX_MS = 1_000;
const SINK_MAX_MS = 80;
const APPLIED_WITHIN_MS = 60_000;

const [sender, receiver, elsewhere] = await Promise.all([freshDatabase("storm"), freshDatabase("storm_receiver"), freshDatabase("storm_elsewhere")]);
const applied = new Pool({ connectionString: receiver.url, max: 8 });
after(async () => {
  await applied.end();
  await Promise.all([sender.drop(), receiver.drop(), elsewhere.drop()]);
});

interface Sent {
  readonly key: string;
  readonly version: number;
}

/** What the writers did, and when something was committed or applied. */
class Logbook {
  readonly committed = new Map<string, Sent>();
  readonly rolledBack = new Set<string>();
  readonly commitsMs: number[] = [];
  readonly appliedMs: number[] = [];
}

test("note 13: under a storm of writers what is committed is applied once, in the order of its key, without a pause; what is rolled back never", { timeout: STORM_MS + 120_000 }, async (t) => {
  await prepare();
  const book = new Logbook();
  const idle = [await heldOpen(elsewhere.url), await heldOpen(sender.url)];
  const notices: Notice[] = [];
  const relays = [await relayInto(book, notices)];
  const beganMs = performance.now();
  const until = beganMs + STORM_MS;
  try {
    const storm = Promise.all(Array.from({ length: WRITERS }, (_, n) => write(book, randomOf(seed + n), until)));
    await new Promise((resolve) => setTimeout(resolve, STORM_MS / 3));
    relays.push(await relayInto(book, notices));
    await storm;
    const endedMs = performance.now();
    const isApplied = async (): Promise<boolean> => Number((await applied.query<{ n: string }>("select count(*) as n from applied")).rows[0]?.n) >= book.committed.size;
    await eventually("all that was committed is applied, with the idle writers still open", isApplied, APPLIED_WITHIN_MS);
    const gaps = { applied: greatestGap(book.appliedMs, beganMs, endedMs), committed: greatestGap(book.commitsMs, beganMs, endedMs) };
    t.diagnostic(`${book.committed.size} messages committed in ${STORM_MS / 1_000} s, ${book.rolledBack.size} rolled back; greatest gap ${gaps.applied.toFixed(0)} ms (writers: ${gaps.committed.toFixed(0)} ms)`);
    assert.ok(book.committed.size > 100 && book.rolledBack.size > 10, "there was a storm");
    await judge(book);
    assert.ok(gaps.applied < GAP_MAX_MS + gaps.committed, `delivery paused for ${gaps.applied} ms, the writers for at most ${gaps.committed} ms`);
    assert.deepEqual(notices.filter(({ kind }) => kind === "bug"), []);
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()));
    await Promise.all(idle.map((writer) => writer.end()));
  }
});

async function prepare(): Promise<void> {
  await migrate(sender.url);
  await pgTransactions(applied)(migrateBarrier);
  await applied.query("create table applied (n bigint generated always as identity, id text, key text, version bigint)");
  const [business, other] = [await openWriter(sender.url), await openWriter(elsewhere.url)];
  await business.query("create table account (key text primary key, version bigint not null)");
  await business.query("insert into account select 'k' || n, 0 from generate_series(1, $1) as n", [KEYS]);
  await business.query("create table noise (n int)");
  await other.query("create table noise (n int)");
  await Promise.all([business.end(), other.end()]);
}

/** Has written something that is not the outbox, and stays. */
async function heldOpen(url: string): Promise<Writer> {
  const writer = await openWriter(url);
  await writer.begin();
  await writer.query("insert into noise values (1)");
  return writer;
}

function relayInto(book: Logbook, notices: Notice[]): Promise<Relay> {
  const consumer = postgresConsumer({
    name: "storm",
    database: applied,
    handle: (db, { id, key, payload }) => db.execute("insert into applied (id, key, version) values ($1, $2, $3)", [id, key, Number(payload)]),
  });
  const sink: Sink = {
    features: consumer.features,
    close: () => consumer.close(),
    async deliver(messages, signal) {
      // Slow enough for several messages of a key to come in one page.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * SINK_MAX_MS));
      const receipts = await consumer.deliver(messages, signal);
      if (receipts.some(({ kind }) => kind === "done")) book.appliedMs.push(performance.now());
      return receipts;
    },
  };
  return createRelay({ log: postgresOutboxLog({ url: sender.url }), source: "storm", onNotice: (notice) => notices.push(notice), pageMax: 20, pollMinMs: 20, subscriptions: [{ name: "storm", sink }] });
}

/** One transaction after another: some take their id early, some go back to a savepoint, some do not commit. */
async function write(book: Logbook, random: () => number, untilMs: number): Promise<void> {
  const writer = await openWriter(sender.url);
  try {
    while (performance.now() < untilMs) {
      const sent = new Map<string, Sent>();
      await writer.begin();
      if (random() < 0.4) await writer.query("insert into noise values ($1)", [2]);
      if (random() < 0.2) await new Promise((resolve) => setTimeout(resolve, random() * 20));
      // In one order, so that they wait for each other and never for ever.
      const keys = Array.from({ length: 1 + Math.floor(random() * 3) }, () => 1 + Math.floor(random() * KEYS)).sort((a, b) => a - b);
      for (const key of new Set(keys)) await change(writer, `k${key}`, random, sent, book);
      const commits = random() < 0.8;
      await (commits ? writer.commit() : writer.rollback());
      if (commits) book.commitsMs.push(performance.now());
      for (const [id, what] of sent) if (commits) book.committed.set(id, what); else book.rolledBack.add(id);
    }
  } finally {
    await writer.end();
  }
}

/** Locks the key's row and sends its new version; every now and then within a savepoint that may be taken back. */
async function change(writer: Writer, key: string, random: () => number, sent: Map<string, Sent>, book: Logbook): Promise<void> {
  const inSavepoint = random() < 0.3;
  if (inSavepoint) await writer.query("savepoint s");
  const [row] = await writer.query("update account set version = version + 1 where key = $1 returning version::int", [key]);
  const version = Number(row?.["version"]);
  const [id = ""] = await writer.send("storm", `${key}:${version}`);
  if (inSavepoint && random() < 0.5) {
    await writer.query("rollback to savepoint s");
    book.rolledBack.add(id);
  } else {
    if (inSavepoint) await writer.query("release savepoint s");
    sent.set(id, { key, version });
  }
}

async function judge(book: Logbook): Promise<void> {
  const { rows } = await applied.query<{ id: string; key: string; version: string }>("select id, key, version from applied order by n");
  const times = new Map<string, number>();
  for (const { id } of rows) times.set(id, (times.get(id) ?? 0) + 1);
  assert.deepEqual([...book.committed.keys()].filter((id) => times.get(id) !== 1), [], "committed, and not applied exactly once");
  assert.deepEqual(rows.filter(({ id }) => book.rolledBack.has(id)), [], "rolled back, and applied");
  assert.equal(rows.length, book.committed.size);
  for (const [key, ofKey] of Map.groupBy(rows, (row) => row.key)) {
    const versions = ofKey.map(({ version }) => Number(version));
    assert.deepEqual(versions, versions.map((_, index) => index + 1), `${key} in the order of its row's versions`);
  }
}

function greatestGap(momentsMs: readonly number[], fromMs: number, toMs: number): number {
  const all = [fromMs, ...momentsMs.filter((ms) => ms > fromMs && ms < toMs), toMs].sort((a, b) => a - b);
  return Math.max(...all.slice(1).map((ms, index) => ms - (all[index] ?? ms)));
}

/** mulberry32: small, seeded, good enough to choose. */
function randomOf(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
