/** What the dispatcher reads and writes: rows with something to tell the provider, and rows that have waited long for his answer. */
import type { SqlExecutor } from "tripact/barrier";
import type { ChargeRequest } from "../contracts.ts";

export type ErrandName = "request" | "capture" | "void" | "refund";

export interface Errand {
  readonly orderId: string;
  readonly buyer: string;
  readonly cents: number;
  readonly capture: ChargeRequest["capture"];
  readonly name: ErrandName;
  /** When it was left, to the microsecond: it and the name tell this errand from a later one of the same order. */
  readonly left: string;
}

/** Oldest first, without those of `except`. */
export async function errandsDue(db: SqlExecutor, limit: number, except: readonly string[]): Promise<Errand[]> {
  const { rows } = await db.execute(
    `select order_id as "orderId", buyer, cents, capture, errand as name, changed_at::text as left
     from payment where errand is not null and order_id <> all($2::text[])
     order by changed_at limit $1`,
    [limit, except],
  );
  return rows.map((row) => row as unknown as Errand);
}

/**
 * Done, if it is still the same errand: another may have been left in its place meanwhile. A statement by itself, whose commit waits for no
 * disk: where a crash forgets it, the provider is told once more, under the same key.
 */
export async function errandDone(db: SqlExecutor, { orderId, name, left }: Errand): Promise<void> {
  await db.execute(
    `update payment set errand = null
     where order_id = $1 and errand = $2 and changed_at = $3::timestamptz and set_config('synchronous_commit', 'off', true) = 'off'`,
    [orderId, name, left],
  );
}

/** The provider has given the money back. */
export async function refundDone(db: SqlExecutor, { orderId }: Errand): Promise<void> {
  await db.execute(
    `update payment set state = 'refunded', errand = null, changed_at = clock_timestamp()
     where order_id = $1 and state = 'refund-due' and errand = 'refund'`,
    [orderId],
  );
}

/** Told to the provider, and no answer since. */
export async function unanswered(db: SqlExecutor, sinceMs: number, limit: number, except: readonly string[]): Promise<string[]> {
  const { rows } = await db.execute(
    `select order_id as "orderId" from payment
     where state = 'requested' and errand is null and changed_at < clock_timestamp() - $1::float8 * interval '1 millisecond' and order_id <> all($3::text[])
     order by changed_at limit $2`,
    [sinceMs, limit, except],
  );
  return rows.map((row) => String(row["orderId"]));
}

/** The provider knows of no such charge: he is told once more. */
export async function requestAgain(db: SqlExecutor, orderId: string): Promise<void> {
  await db.execute("update payment set errand = 'request', changed_at = clock_timestamp() where order_id = $1 and state = 'requested' and errand is null", [orderId]);
}
