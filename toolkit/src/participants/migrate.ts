import { readFile } from "node:fs/promises";
import type { SqlExecutor } from "../stores/sql.ts";
import { guarded } from "./guard.ts";

const migrations = ["0001-barrier", "0002-inbox", "0003-choreography"] as const;

/**
 * Creates or brings up to date the tables of barrier, inbox and choreographed sagas (`tripact.barrier`, `tripact.inbox`,
 * `tripact.choreography`) in a participant's own database.
 * `db` is an open transaction of its own: `await pgTransactions(pool)(migrateBarrier)`. Safe to repeat, and for two at once: the
 * second waits for the first, at most 10 s. Lives beside a store's tables in the same schema without touching them.
 * @returns the names of the migrations that were applied now.
 */
export async function migrateBarrier(db: SqlExecutor): Promise<readonly string[]> {
  return guarded(db, "migrateBarrier", async () => {
    // The same lock as the store's migrations take: two that find no schema `tripact` would both create it.
    await db.execute("select set_config('lock_timeout', '10s', true)", []);
    await db.execute("select pg_advisory_xact_lock(hashtextextended('tripact.migration', 0))", []);
    // Asked first, because "create schema if not exists" wants the right to create even where there is nothing to do.
    const schema = await db.execute("select from pg_namespace where nspname = 'tripact'", []);
    if (schema.rows.length === 0) await db.execute("create schema if not exists tripact", []);
    await db.execute(
      `create table if not exists tripact.participant_migration (
         name text primary key, applied_at timestamptz not null default clock_timestamp())`,
      [],
    );
    const { rows } = await db.execute("select name from tripact.participant_migration", []);
    const applied = new Set(rows.map(({ name }) => name));
    const missing = migrations.filter((name) => !applied.has(name));
    for (const name of missing) {
      for (const statement of await statementsOf(name)) await db.execute(statement, []);
      await db.execute("insert into tripact.participant_migration (name) values ($1)", [name]);
    }
    return missing;
  });
}

/** Cut at each `;` that ends a line: the seam takes one statement a call. */
async function statementsOf(name: string): Promise<string[]> {
  const text = await readFile(new URL(`./migrations/${name}.sql`, import.meta.url), "utf8");
  return text.split(/;[ \t]*$/m).filter((statement) => /^\s*[^\s-]/m.test(statement));
}
