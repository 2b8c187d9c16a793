/** Three real databases with the platform's tables, used over and over: a run begins with empty ones. */
import { readFile } from "node:fs/promises";
import { freshDatabase } from "@tripact/testbed";
import pg from "pg";

/** One session. */
export interface Session {
  rows<Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** How many rows were written. */
  changed(text: string, values?: readonly unknown[]): Promise<number>;
}

export interface Database extends Session {
  readonly url: string;
  /** Commits what `work` did, or nothing of it. */
  transaction<Result>(work: (session: Session) => Promise<Result>): Promise<Result>;
  /** A session of one's own, for who holds a transaction open while others go on, or listens. */
  connect(): Promise<pg.Client>;
}

export const NAMES = ["orders", "stock", "payment"] as const;
export type Databases = Readonly<Record<(typeof NAMES)[number], Database>>;

const STATEMENT_TIMEOUT_MS = 10_000;

export interface OpenDatabases {
  readonly databases: Databases;
  readonly empty: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export async function openDatabases(): Promise<OpenDatabases> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).toReversed()) await end();
  };
  try {
    const open = async (name: (typeof NAMES)[number]): Promise<Database> => {
      const fresh = await freshDatabase(`selftest_${name}`);
      closers.push(() => fresh.drop());
      const client = await connectTo(fresh.url);
      closers.push(() => client.end());
      await client.query(await readFile(new URL(`../../../flash-sale/${name}/schema.sql`, import.meta.url), "utf8"));
      await client.query(await readFile(new URL("tables.sql", import.meta.url), "utf8"));
      return databaseOn(fresh.url, client);
    };
    const databases: Databases = { orders: await open("orders"), stock: await open("stock"), payment: await open("payment") };
    return { databases, empty: () => emptyAll(databases), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function emptyAll(databases: Databases): Promise<void> {
  const tables = {
    orders: ["order_event", "allowance", "ended_chunk", "orders", "sale"],
    stock: ["movement", "hold", "chunk", "item"],
    payment: ["posting", "payment"],
  };
  for (const name of NAMES) {
    // Quicker than truncate for a handful of rows.
    await databases[name].changed([...tables[name], "inbox", "barrier", "outbox", "journal"].map((table) => `delete from ${table}`).join("; "));
  }
}

async function connectTo(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: "lab selftest", connectionTimeoutMillis: 10_000, statement_timeout: STATEMENT_TIMEOUT_MS, query_timeout: STATEMENT_TIMEOUT_MS + 1_000 });
  // A connection that breaks between two queries; the next query says so.
  client.on("error", () => undefined);
  await client.connect();
  // No process dies here but by a step of the interleaving, so nobody has to wait for a disk.
  await client.query("set synchronous_commit = off; set lock_timeout = '3s'");
  return client;
}

export function sessionOn(client: pg.Client): Session {
  return {
    rows: async <Row extends object>(text: string, values: readonly unknown[] = []) => (await client.query<Row>(text, [...values])).rows,
    changed: async (text, values) => (await client.query(text, values === undefined ? undefined : [...values])).rowCount ?? 0,
  };
}

function databaseOn(url: string, client: pg.Client): Database {
  const session = sessionOn(client);
  const transaction = async <Result>(work: (within: Session) => Promise<Result>): Promise<Result> => {
    await client.query("begin");
    try {
      const result = await work(session);
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback");
      throw error;
    }
  };
  return { ...session, url, transaction, connect: () => connectTo(url) };
}
