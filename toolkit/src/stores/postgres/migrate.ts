import { readFile, readdir } from "node:fs/promises";
import { TripactError } from "../../protocol/errors.ts";
import type { SqlExecutor } from "../sql.ts";
import { loadPg } from "./driver.ts";
import type { PgModule } from "./driver.ts";
import { outcomeOf, placeOf, schemaMissing } from "./outcome.ts";
import type { Session } from "./session.ts";

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly statements: readonly string[];
}

const folder = new URL("./migrations/", import.meta.url);
const LOCK_WAITS_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Brings the schema `tripact` up to date and returns the names of the migrations that it applied, none if it was. All in one
 * transaction: its own, given a url; the caller's, given an executor (which must be inside one). Two at once are harmless.
 */
export async function migrate(target: string | SqlExecutor, options: { readonly pg?: PgModule } = {}): Promise<readonly string[]> {
  if (typeof target !== "string") return migrateIn(target);
  const pg = options.pg ?? (await loadPg());
  const place = placeOf(target);
  const client = new pg.Client({ connectionString: target, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, application_name: "tripact migrate", keepAlive: true });
  client.on("error", () => {}); // the statement in flight says it
  try {
    await client.connect();
  } catch (error) {
    throw outcomeOf(error, "connecting", place);
  }
  try {
    await client.query({ text: "begin" });
    const applied = await migrateIn({ execute: (text, values) => client.query({ text, values: [...values] }) });
    await client.query({ text: "commit" });
    return applied;
  } catch (error) {
    throw outcomeOf(error, "reading", place);
  } finally {
    await client.end();
  }
}

/** Throws `schema-mismatch` unless this database has exactly the version that this code was written for. */
export async function checkSchema(session: Session, place: string): Promise<void> {
  const { rows: found } = await session.query({ reads: true, text: `select to_regclass('tripact.migration') is not null as there` });
  if (found[0]?.["there"] !== true) throw schemaMissing(place);
  const { rows } = await session.query({ reads: true, text: `select coalesce(max(number), 0)::int as number from tripact.migration` });
  const has = Number(rows[0]?.["number"]);
  const needs = (await migrations()).at(-1)?.number ?? 0;
  if (has === needs) return;
  throw new TripactError("schema-mismatch", `The schema tripact is at version ${has}, this release needs ${needs}.`, {
    where: place,
    hint: has < needs ? "Run `npx tripact migrate`." : "A newer release has migrated it: upgrade this one.",
  });
}

/** Throws `not-supported` for a server that is too old, `store-unreachable` for a standby. */
export async function refuseUnfit(session: Session, place: string): Promise<void> {
  const { rows } = await session.query({
    reads: true,
    text: `select current_setting('server_version_num')::int as version, current_setting('server_version') as name, pg_is_in_recovery() as is_standby`,
  });
  const row = rows[0] ?? {};
  if (Number(row["version"]) < 140_000) {
    throw new TripactError("not-supported", `This server is PostgreSQL ${String(row["name"])}.`, { where: place, hint: "Needed: PostgreSQL 14 or later." });
  }
  if (row["is_standby"] === true) {
    throw new TripactError("store-unreachable", "This server is a standby and takes no writes.", { where: place, hint: "Give the store the primary's address." });
  }
}

async function migrateIn(db: SqlExecutor): Promise<readonly string[]> {
  await db.execute(`select set_config('lock_timeout', '${LOCK_WAITS_MS}ms', true)`, []);
  await db.execute(`select pg_advisory_xact_lock(hashtextextended('tripact.migration', 0))`, []);
  await db.execute(`create schema if not exists tripact`, []);
  await db.execute(
    `create table if not exists tripact.migration (number integer primary key, name text not null, applied_at timestamptz not null default clock_timestamp())`,
    [],
  );
  const { rows } = await db.execute(`select number from tripact.migration`, []);
  const done = new Set(rows.map((row) => Number(row["number"])));
  const missing = (await migrations()).filter(({ number }) => !done.has(number));
  for (const { number, name, statements } of missing) {
    for (const statement of statements) await db.execute(statement, []);
    await db.execute(`insert into tripact.migration (number, name) values ($1, $2)`, [number, name]);
  }
  return missing.map(({ name }) => name);
}

/** `0001-journal.sql`, … in order. A statement ends with a semicolon at the end of its line. */
async function migrations(): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).toSorted();
  return Promise.all(
    names.map(async (name) => ({
      number: Number(name.slice(0, 4)),
      name: name.replace(/\.sql$/, ""),
      statements: (await readFile(new URL(name, folder), "utf8")).split(/;\s*$/m).filter((text) => text.trim() !== ""),
    })),
  );
}
