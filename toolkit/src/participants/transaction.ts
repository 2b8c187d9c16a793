import type { SqlExecutor } from "../stores/sql.ts";
import { misuse } from "./guard.ts";

/**
 * Begins a transaction, hands it to `work`, commits when `work` resolves and rolls back when it rejects. Every SQL library has this
 * function already; with another library than `pg` it takes three lines:
 *
 *     const open: OpenTransaction = (work) => sql.begin((tx) => work({ execute: … }));
 */
export type OpenTransaction = <R>(work: (db: SqlExecutor) => Promise<R>) => Promise<R>;

/** A pool of the `pg` driver, by shape: the toolkit itself brings no driver. */
export interface PgPool {
  connect(): Promise<PgClient>;
}

export interface PgClient {
  query(text: string, values: readonly unknown[]): Promise<PgResult>;
  on(event: "error", hear: (error: Error) => void): unknown;
  removeListener(event: "error", hear: (error: Error) => void): unknown;
  release(destroy?: boolean): void;
}

export interface PgResult {
  readonly command: string;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number | null;
}

/**
 * Transactions at read committed on a `pg` pool. When a commit's reply is lost the error says so and the outcome is unknown: the same
 * call again finds out. A connection that failed never goes back to the pool.
 */
export function pgTransactions(pool: PgPool): OpenTransaction {
  return async (work) => {
    const client = await pool.connect();
    // Between two queries a lost connection is only an event, and an event without a listener ends the process.
    client.on("error", heardElsewhere);
    let idle = false;
    let over = false;
    try {
      await client.query("begin isolation level read committed", []);
      try {
        const result = await work({
          // Whoever kept it beyond the end would write into somebody else's transaction, on the same connection.
          execute: (text, values) => (over ? Promise.reject(misuse("This transaction has ended", "Await everything inside it.")) : client.query(text, values)),
        });
        over = true;
        const { command } = await client.query("commit", []);
        idle = true;
        if (command !== "COMMIT") throw misuse("The transaction had failed unnoticed and was rolled back", "Let the first error through.");
        return result;
      } catch (error) {
        over = true;
        if (!idle) idle = await rolledBack(client);
        throw error;
      }
    } finally {
      client.removeListener("error", heardElsewhere);
      client.release(!idle);
    }
  };
}

async function rolledBack(client: PgClient): Promise<boolean> {
  try {
    await client.query("rollback", []);
    return true;
  } catch {
    return false;
  }
}

/** The query that follows fails and tells it. */
function heardElsewhere(): void {}
