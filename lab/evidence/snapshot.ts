/** One database at one moment, read as a stranger: plain SQL in a read-only transaction that sees no later commit. */
import { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";

/** `unreachable`: nothing was learned, ask again. `too-large`: more rows than were asked to fit. `invalid-input`: the question was wrong. */
export class EvidenceError extends Error {
  readonly code: "unreachable" | "too-large" | "invalid-input";
  readonly where: string;
  constructor(code: EvidenceError["code"], where: string, message: string, cause?: unknown) {
    super(`${where}: ${message}`, cause === undefined ? undefined : { cause });
    this.name = "EvidenceError";
    this.code = code;
    this.where = where;
  }
}

export type DatabaseName = "orders" | "stock" | "payment";

export interface SnapshotOptions {
  /** Of one table. */
  readonly rowsMax: number;
  readonly intern: (text: string) => string;
}

export interface Snapshot {
  readonly database: DatabaseName;
  has(table: string): Promise<boolean>;
  /** All rows of a query, which names its columns as the row's type does; `null` where its table is not there. */
  read<Row extends object>(table: string, query: string): Promise<readonly Row[] | null>;
}

const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 60_000;
const GOODBYE_MS = 500;
const PAGE = 5_000;
const STRINGS_MAX = 2_000_000;

/** Runs `look` in one repeatable-read transaction of a connection of its own. */
export async function inSnapshot<Result>(database: DatabaseName, url: string, options: SnapshotOptions, look: (snapshot: Snapshot) => Promise<Result>): Promise<Result> {
  const { client, close } = await connect(database, url, STATEMENT_TIMEOUT_MS);
  try {
    await client.query("begin isolation level repeatable read read only");
    return await look({ database, has: (table) => has(client, table), read: (table, query) => read(client, { database, table, query }, options) });
  } catch (error) {
    throw error instanceof EvidenceError ? error : new EvidenceError("unreachable", database, "it could not be read", error);
  } finally {
    // To end the session ends its transaction.
    await close();
  }
}

export interface Connected {
  readonly client: pg.Client;
  readonly close: () => Promise<void>;
}

export async function connect(database: string, url: string, statementTimeoutMs: number): Promise<Connected> {
  if (!/^postgres(ql)?:\/\//.test(url)) throw new EvidenceError("invalid-input", database, "a connection string like postgres://host/database is needed");
  const socket = new Socket();
  const client = new pg.Client({
    stream: () => socket,
    connectionString: url,
    application_name: "lab evidence",
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    // The client's own clock: a server that has gone silent enforces nothing.
    query_timeout: statementTimeoutMs + 1_000,
  });
  // A connection that breaks between two queries; the next query says so.
  client.on("error", () => undefined);
  const close = async (): Promise<void> => {
    // A server that stands still says no goodbye.
    await Promise.race([client.end().catch(() => undefined), wait(GOODBYE_MS, undefined, { ref: false })]);
    socket.destroy();
  };
  try {
    await client.connect();
    return { client, close };
  } catch (error) {
    await close();
    throw new EvidenceError("unreachable", database, "no connection", error);
  }
}

export async function has(client: pg.Client, table: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>("select to_regclass($1) is not null as found", [table]);
  return rows[0]?.found === true;
}

interface Reading {
  readonly database: DatabaseName;
  readonly table: string;
  readonly query: string;
}

/** Page by page, so that no answer is larger than a page. */
async function read<Row extends object>(client: pg.Client, { database, table, query }: Reading, { rowsMax, intern }: SnapshotOptions): Promise<readonly Row[] | null> {
  if (!(await has(client, table))) return null;
  await client.query(`declare reading no scroll cursor for ${query}`);
  const all: Row[] = [];
  for (;;) {
    const { rows } = await client.query<Row>(`fetch ${PAGE} from reading`);
    if (all.length + rows.length > rowsMax) throw new EvidenceError("too-large", database, `${table} has more than ${rowsMax} rows`);
    for (const row of rows) all.push(shared(row, intern));
    if (rows.length < PAGE) break;
  }
  await client.query("close reading");
  return all;
}

/** The id of an order stands in ten rows, the name of a state in all of them: each text is kept once. */
function shared<Row extends object>(row: Row, intern: (text: string) => string): Row {
  const columns = row as Record<string, unknown>;
  for (const name in columns) {
    const value = columns[name];
    if (typeof value === "string") columns[name] = intern(value);
  }
  return row;
}

export function interning(): (text: string) => string {
  const kept = new Map<string, string>();
  return (text) => {
    const known = kept.get(text);
    if (known !== undefined) return known;
    if (kept.size < STRINGS_MAX) kept.set(text, text);
    return text;
  };
}
