import { Client, Pool } from "pg";
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { send } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { createRelay, postgresConsumer, postgresOutboxLog } from "tripact/relay";
import type { Notice, Relay } from "tripact/relay";
import { describeMachine, machineText } from "../machine.ts";
import { startBenchServer } from "../server.ts";
import { percentile } from "../statistics.ts";
import { textTable } from "../table.ts";
import { writeSoak, type SoakFile, type SoakSample } from "./results.ts";

export interface SoakPlan {
  readonly minutes: number;
  readonly perSecond: number;
  readonly jsonFile: string | undefined;
}

const SAMPLE_MS = 10_000;
/** A partition's time: short, so that a soak of minutes sees all sixteen come round again. */
const SLOT_SECONDS = 15;
const PAYLOAD_BYTES = 1_500;
const PRODUCERS = 8;

/**
 * The outbox for minutes at a steady rate, autovacuum on, while somebody holds a snapshot all the time and somebody else, in another
 * database, an open write: neither latency nor the size of the log may grow.
 */
export async function soak({ minutes, perSecond, jsonFile }: SoakPlan, progress: (line: string) => void): Promise<void> {
  const server = await startBenchServer();
  const turn = await server.openTurn();
  const elsewhere = await server.openTurn();
  const machine = describeMachine(server.dataFolder, server.version);
  progress(machineText(machine));
  const pool = new Pool({ connectionString: turn.url, max: PRODUCERS + 6 });
  // A pool that has ended may still be saying goodbye when the server stops.
  pool.on("error", () => undefined);
  const snapshot = new Client({ connectionString: turn.url });
  const writer = new Client({ connectionString: elsewhere.url });
  const notices = new Map<string, number>();
  let relay: Relay | undefined;
  try {
    await prepare(turn.url, pool);
    await hold(snapshot, writer);
    const meter = new Meter();
    relay = await startRelay(turn.url, pool, meter, ({ kind }) => notices.set(kind, (notices.get(kind) ?? 0) + 1));
    const samples: SoakSample[] = [];
    const load = produce(pool, meter, perSecond, minutes * 60_000);
    for (let n = 0; n < (minutes * 60_000) / SAMPLE_MS; n += 1) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      const sample = { second: ((n + 1) * SAMPLE_MS) / 1_000, ...meter.take(), ...(await sizes(pool)) };
      samples.push(sample);
      progress(`${sample.second} s: ${sample.applied} applied, p50 ${sample.p50Ms.toFixed(1)}, p95 ${sample.p95Ms.toFixed(1)} ms, log ${(sample.logBytes / 1e6).toFixed(0)} MB, cursors ${(sample.cursorBytes / 1e3).toFixed(0)} kB`);
    }
    await load;
    await meter.drained();
    const file: SoakFile = { schema: 1, bench: "soak", machine, minutes, perSecond, payloadBytes: PAYLOAD_BYTES, slotSeconds: SLOT_SECONDS, sent: meter.sent, applied: meter.applied, notices: Object.fromEntries(notices), thirds: thirds(samples), samples };
    console.log(textTable(["third", "p50 ms", "p95 ms", "p99 ms", "log, largest MB", "cursors, largest kB"], file.thirds.map((third) => [third.name, third.p50Ms.toFixed(1), third.p95Ms.toFixed(1), third.p99Ms.toFixed(1), (third.logBytesMax / 1e6).toFixed(0), (third.cursorBytesMax / 1e3).toFixed(0)])));
    console.log(`\n${meter.sent} sent, ${meter.applied} applied once; ${JSON.stringify(file.notices)}`);
    if (jsonFile !== undefined) await writeSoak(jsonFile, file);
    if (meter.sent !== meter.applied) process.exitCode = 1;
  } finally {
    await relay?.stop();
    for (const client of [snapshot, writer]) await client.end();
    await pool.end();
    await server.stop();
  }
}

async function prepare(url: string, pool: Pool): Promise<void> {
  await migrate(url);
  await pgTransactions(pool)(migrateBarrier);
  await pool.query(`create or replace function tripact.outbox_slot() returns smallint language sql volatile
    return (date_part('epoch', clock_timestamp())::bigint / ${SLOT_SECONDS} % 16)::smallint`);
  await pool.query("create table ordered (n bigint primary key)");
  await pool.query("create table handled (n bigint primary key)");
}

/** A snapshot that sees the beginning for ever, and a write that never ends. */
async function hold(snapshot: Client, writer: Client): Promise<void> {
  await snapshot.connect();
  await snapshot.query("begin isolation level repeatable read");
  // Not of the log itself: whoever reads that keeps its partitions from being emptied, as long as he does.
  await snapshot.query("select count(*) from ordered");
  await writer.connect();
  await writer.query("create table idle (n int)");
  await writer.query("begin");
  await writer.query("insert into idle values (1)");
}

async function startRelay(url: string, pool: Pool, meter: Meter, onNotice: (notice: Notice) => void): Promise<Relay> {
  const consumer = postgresConsumer({
    name: "soak",
    database: pool,
    handleBatch: (db, messages) => db.execute("insert into handled (n) select * from unnest($1::bigint[])", [messages.map(({ payload }) => (payload as { n: number }).n)]),
  });
  return createRelay({
    log: postgresOutboxLog({ url }),
    source: "soak",
    keepMs: SLOT_SECONDS * 1_000,
    tidyEveryMs: 2_000,
    onNotice,
    subscriptions: [
      {
        name: "soak",
        sink: {
          features: consumer.features,
          close: () => consumer.close(),
          async deliver(messages, signal) {
            const receipts = await consumer.deliver(messages, signal);
            for (const [index, { payload }] of messages.entries()) if (receipts[index]?.kind === "done") meter.saw((JSON.parse(payload) as { n: number }).n);
            return receipts;
          },
        },
      },
    ],
  });
}

/** Open loop: a message is due when it is due, however long the ones before take. */
async function produce(pool: Pool, meter: Meter, perSecond: number, forMs: number): Promise<void> {
  const open = pgTransactions(pool);
  const pad = "x".repeat(PAYLOAD_BYTES);
  const beganMs = performance.now();
  let next = 0;
  const one = async (): Promise<void> => {
    for (;;) {
      const n = next++;
      const dueMs = beganMs + (n * 1_000) / perSecond;
      if (dueMs - beganMs >= forMs) return;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      await open(async (db) => {
        await db.execute("insert into ordered (n) values ($1)", [n]);
        await send(db, { topic: "order.placed", key: `customer-${n % 1_000}`, payload: { n, pad } });
      });
      meter.committed(n);
    }
  };
  await Promise.all(Array.from({ length: PRODUCERS }, one));
}

/** From the producer's commit, as he sees it, to the consumer's. */
class Meter {
  sent = 0;
  applied = 0;
  readonly #committedMs = new Map<number, number>();
  /** Applied before the producer heard of its own commit. */
  readonly #early = new Set<number>();
  #latenciesMs: number[] = [];

  committed(n: number): void {
    this.sent += 1;
    if (this.#early.delete(n)) this.#latenciesMs.push(0);
    else this.#committedMs.set(n, performance.now());
  }

  saw(n: number): void {
    const committedMs = this.#committedMs.get(n);
    this.applied += 1;
    if (committedMs === undefined) this.#early.add(n);
    else this.#latenciesMs.push(performance.now() - committedMs);
    this.#committedMs.delete(n);
  }

  take(): { readonly applied: number; readonly p50Ms: number; readonly p95Ms: number; readonly p99Ms: number } {
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    this.#latenciesMs = [];
    const at = (fraction: number): number => (sorted.length === 0 ? 0 : percentile(sorted, fraction));
    return { applied: sorted.length, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
  }

  async drained(): Promise<void> {
    for (let looks = 0; looks < 3_000 && this.applied < this.sent; looks += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function sizes(pool: Pool): Promise<{ readonly logBytes: number; readonly cursorBytes: number }> {
  const { rows } = await pool.query<{ log: string; cursors: string }>(`
    select sum(pg_total_relation_size(c.oid)) filter (where c.relname ~ '^outbox_[0-9]')::text as log,
           sum(pg_total_relation_size(c.oid)) filter (where c.relname in ('outbox_lane', 'outbox_progress'))::text as cursors
      from pg_class c where c.relnamespace = 'tripact'::regnamespace and c.relkind = 'r'`);
  return { logBytes: Number(rows[0]?.log), cursorBytes: Number(rows[0]?.cursors) };
}

function thirds(samples: readonly SoakSample[]): SoakFile["thirds"] {
  const size = Math.ceil(samples.length / 3);
  const middle = (values: readonly number[]): number => percentile(values.toSorted((a, b) => a - b), 0.5);
  return ["first", "second", "last"].map((name, n) => {
    const part = samples.slice(n * size, (n + 1) * size);
    return {
      name,
      p50Ms: middle(part.map(({ p50Ms }) => p50Ms)),
      p95Ms: middle(part.map(({ p95Ms }) => p95Ms)),
      p99Ms: middle(part.map(({ p99Ms }) => p99Ms)),
      logBytesMax: Math.max(...part.map(({ logBytes }) => logBytes)),
      cursorBytesMax: Math.max(...part.map(({ cursorBytes }) => cursorBytes)),
    };
  });
}
