import { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { migrateBarrier } from "../../participants/migrate.ts";
import { pgTransactions, type OpenTransaction } from "../../participants/transaction.ts";
import { createRelay } from "../../runtime/relay/relay.ts";
import { migrate } from "../../stores/postgres/migrate.ts";
import { postgresOutboxLog } from "../../stores/postgres/outbox/log.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import type { Envelope } from "../broker.ts";
import { describeSink } from "../conformance.ts";
import { memorySink } from "../memory/sink.ts";
import { postgresBroker } from "./broker.ts";
import { postgresConsumer } from "./consumer.ts";

interface Place {
  readonly url: string;
  readonly pool: Pool;
  readonly down: () => Promise<void>;
  readonly close: () => Promise<void>;
}

const database = await freshDatabase("consumer");
await prepare(database.url);
after(() => database.drop());

describeSink("postgres consumer", async (_, { ask, took }) => {
  const { pool, down, close } = placeAt(database.url);
  const within = new WeakMap<SqlExecutor, Envelope[]>();
  // A message is taken when its transaction has committed.
  const open: OpenTransaction = async (work) => {
    const handled: Envelope[] = [];
    const result = await pgTransactions(pool)((db) => {
      within.set(db, handled);
      return work(db);
    });
    for (const envelope of handled) took(envelope);
    return result;
  };
  const sink = postgresConsumer({
    name: "conformance",
    database: open,
    batchMax: 50,
    handle: async (db, message) => {
      const envelope = { ...message, payload: JSON.stringify(message.payload) };
      await ask(envelope);
      within.get(db)?.push(envelope);
    },
  });
  // A handler that never comes back keeps its connection: nobody waits for that pool, the database's end takes it along.
  return { sink, answeredBy: "receiver", down, close: async () => void close() };
});

describeSink("postgres broker, read by a relay", async (arrive) => {
  const own = await freshDatabase("broker");
  await prepare(own.url);
  const { pool, down, close } = placeAt(own.url);
  const sink = postgresBroker({ database: pool, log: postgresOutboxLog({ url: own.url }), batchMax: 50 });
  const relay = await createRelay({
    log: sink.log,
    source: "broker",
    stopWithinMs: 200,
    subscriptions: [{ name: "receiver", sink: memorySink({ receive: arrive, batchMax: 10 }), retry: { baseMs: 5, capMs: 20 } }],
  });
  return {
    sink,
    answeredBy: "broker",
    down,
    close: async () => {
      await relay.stop();
      await close();
      await own.drop();
    },
  };
});

async function prepare(url: string): Promise<void> {
  await migrate(url);
  const pool = new Pool({ connectionString: url, max: 1 });
  await pgTransactions(pool)(migrateBarrier);
  await pool.end();
}

function placeAt(url: string): Place {
  const pool = new Pool({ connectionString: url, max: 4 });
  pool.on("error", () => {});
  let ended: Promise<void> | undefined;
  const end = (): Promise<void> => (ended ??= pool.end());
  return { url, pool, down: end, close: end };
}
