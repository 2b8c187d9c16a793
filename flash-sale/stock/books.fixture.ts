/** For tests: a stock's database, and what must be true of it at every moment. */
import assert from "node:assert/strict";
import { migrateBarrier, pgTransactions, type OpenTransaction, type SqlExecutor } from "tripact/barrier";
import pg from "pg";
import { makeTables } from "../service/database.ts";
import { levels } from "./ledger.ts";

export interface TestStock {
  readonly url: string;
  readonly pool: pg.Pool;
  /** A transaction for each call. */
  readonly open: OpenTransaction;
  /** Each statement commits by itself. */
  readonly db: SqlExecutor;
  drop(): Promise<void>;
}

/** @param database an empty one; it is dropped with the stock. */
export async function openTestStock(database: { readonly url: string; drop(): Promise<void> }): Promise<TestStock> {
  // Without the services' limits: a test that asks for a hundred things at once waits for its turn.
  const pool = new pg.Pool({ connectionString: database.url, max: 12 });
  await makeTables(pool, new URL("schema.sql", import.meta.url));
  const open = pgTransactions(pool);
  await open(migrateBarrier);
  return {
    url: database.url,
    pool,
    open,
    db: { execute: (text, values) => pool.query(text, [...values]) },
    async drop() {
      await pool.end();
      await database.drop();
    },
  };
}

/** Levels add up, and the movements say the same of every account. Returns the levels. */
export async function checkBooks({ db }: TestStock, sku: string): Promise<NonNullable<Awaited<ReturnType<typeof levels>>>> {
  const found = await levels(db, sku);
  assert.ok(found !== undefined, `${sku} is not open`);
  const { initial, free, leased, held, sold } = found;
  assert.equal(free + leased + held + sold, initial, JSON.stringify(found));
  const { rows } = await db.execute(
    `select account, sum(units)::integer as units from (
       select target as account, units from movement where sku = $1 union all select source, -units from movement where sku = $1
     ) entry group by account`,
    [sku],
  );
  const told = Object.fromEntries(rows.map(({ account, units }) => [account, units]));
  const accounts = { outside: -initial, free, chunk: leased, held, sold };
  for (const [account, units] of Object.entries(accounts)) assert.equal(told[account] ?? 0, units, `${account}: ${JSON.stringify({ told, accounts })}`);
  await checkChunks(db, sku);
  return found;
}

/** What a chunk says was reserved from it is what the holds say. */
async function checkChunks(db: SqlExecutor, sku: string): Promise<void> {
  const { rows } = await db.execute(
    `select id, reserved from chunk where sku = $1 and reserved <> (select coalesce(sum(quantity), 0) from hold where hold.chunk = chunk.id)`,
    [sku],
  );
  assert.deepEqual(rows, []);
}
