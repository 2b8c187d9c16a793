/** A service's own database: a pool whose every wait has a limit, and its tables. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { pgTransactions, type OpenTransaction, type PgClient, type SqlExecutor } from "tripact/barrier";
import pg from "pg";

const CONNECT_TIMEOUT_MS = 2_000;
/** Above the wait for a synchronous standby, below a caller's patience with a retry. */
const STATEMENT_TIMEOUT_MS = 3_000;
const IDLE_IN_TRANSACTION_MS = 5_000;
/** A commit takes milliseconds, so eight of them make more than a service here has to do; more would only be more to start and to keep warm. */
const CONNECTIONS = 8;
/** A new connection is a new process at the server, with cold caches and nothing prepared. */
const IDLE_TIMEOUT_MS = 300_000;

export function openPool(url: string, application: string, { connections = CONNECTIONS }: { readonly connections?: number } = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: application,
    max: connections,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    // The client's own clock: a server that has gone silent enforces nothing.
    query_timeout: STATEMENT_TIMEOUT_MS + 1_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    keepAlive: true,
  });
  // A connection that breaks while nobody uses it; the next call opens another.
  pool.on("error", () => undefined);
  return pool;
}

/** More texts than services have; a program that makes its statements up as it goes would fill the server's memory. */
const PREPARED_MAX = 200;
/** By text, the name under which a connection has it prepared. */
const names = new Map<string, string>();

/**
 * Transactions whose statements are prepared once for each connection. A service has a few dozen texts and runs each of them thousands of
 * times; to parse and plan one costs more than to run it.
 */
export function preparing(pool: pg.Pool): OpenTransaction {
  return pgTransactions({ connect: async () => prepared(await pool.connect()) });
}

/** Statements that commit by themselves, prepared likewise. */
export function preparedStatements(pool: pg.Pool): SqlExecutor {
  return { execute: (text, values) => pool.query(configOf(text, values)) };
}

function prepared(client: pg.PoolClient): PgClient {
  return {
    query: (text, values) => client.query(configOf(text, values)),
    on: (event, hear) => client.on(event, hear),
    removeListener: (event, hear) => client.removeListener(event, hear),
    release: (destroy) => client.release(destroy),
  };
}

function configOf(text: string, values: readonly unknown[]): pg.QueryConfig {
  // `begin`, `commit`, savepoints: nothing to plan.
  const name = values.length === 0 ? undefined : nameOf(text);
  return name === undefined ? { text, values: [...values] } : { name, text, values: [...values] };
}

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= PREPARED_MAX) return known;
  const name = `s${names.size}`;
  names.set(text, name);
  return name;
}

/**
 * Runs a service's `schema.sql`, unless this very text has been run here before. Several processes may start at once. A service that comes
 * back in mid-sale must not run it again: "create index if not exists" stops all writes to its table before it sees that there is nothing to do.
 */
export async function makeTables(pool: pg.Pool, schema: URL): Promise<void> {
  const text = await readFile(schema, "utf8");
  const digest = createHash("sha256").update(text).digest("hex");
  const client = await pool.connect();
  try {
    await client.query("begin");
    await client.query("select pg_advisory_xact_lock(7241)");
    await client.query("create table if not exists made_tables (digest text primary key)");
    const { rowCount } = await client.query("insert into made_tables values ($1) on conflict do nothing", [digest]);
    if (rowCount === 1) await client.query(text);
    await client.query("commit");
  } catch (error) {
    await client.query("rollback").catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}
