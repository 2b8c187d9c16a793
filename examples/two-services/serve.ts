import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import pg from "pg";
import { migrateBarrier, pgTransactions, type OpenTransaction } from "tripact/barrier";
import { waking } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { relayTo } from "./events.ts";

export interface Service {
  /** Safe to repeat: a service that comes back finds its tables. */
  readonly tables: string;
  /** It sends messages; this names its outbox. */
  readonly outbox?: string;
  /** What it answers over HTTP, in transactions of its own database. */
  readonly handler: (open: OpenTransaction) => RequestListener;
}

/** Runs one service in this process: its tables and those of barrier and inbox, its relay if it sends, HTTP. Prints `ready` when it takes calls. */
export async function serve({ tables, outbox, handler }: Service): Promise<void> {
  const databaseUrl = setting("DATABASE_URL");
  const pool = new pg.Pool({ connectionString: databaseUrl });
  pool.on("error", (error) => console.error(error.message)); // an idle connection that breaks; the next call opens another
  await pool.query(tables);
  const transactions = pgTransactions(pool);
  await transactions(migrateBarrier);
  if (outbox !== undefined) await migrate(databaseUrl);
  const relay = outbox === undefined ? undefined : await relayTo({ url: setting("MAILER_URL"), secret: setting("MAILER_SECRET") }, databaseUrl, outbox);

  const open = relay === undefined ? transactions : waking(transactions, relay);
  const server = createServer(handler(open)).listen(Number(setting("PORT")), "127.0.0.1");
  await once(server, "listening");
  console.log("ready");

  await once(process, "SIGTERM");
  const closed = once(server, "close");
  server.close();
  await closed;
  await relay?.stop();
  await pool.end();
}

export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}
