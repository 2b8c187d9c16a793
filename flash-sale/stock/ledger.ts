/**
 * Units in double entry: free, in a chunk, held by an order, sold. Every function is one guarded statement where it succeeds, and the same
 * statement writes the movement, so counters and movements cannot part. `db` is the caller's open transaction: what is said here is true
 * once that commits. Locks are taken in the order hold, chunk, item, so that no two of these wait for each other.
 */
import type { Effect, SqlExecutor } from "tripact/barrier";
import type { Reservation, StockLevels } from "../contracts.ts";

/** `other-units`: the item is open with another number. `wrong-state`: the order's units are not where this needs them. Nothing was moved. */
export class LedgerError extends Error {
  readonly code: "unknown-item" | "other-units" | "wrong-state";
  constructor(code: LedgerError["code"], message: string) {
    super(message);
    this.name = "LedgerError";
    this.code = code;
  }
}

type HoldState = "held" | "sold" | "released" | "restocked";

/** Puts units on offer, once. */
export async function openItem(db: SqlExecutor, sku: string, units: number): Promise<void> {
  const { rowCount } = await db.execute(
    `with opened as (
       insert into item (sku, initial, free) values ($1, $2::integer, $2::integer) on conflict do nothing returning sku, initial
     ), moved as (
       insert into movement (sku, reference, source, target, units)
       select sku, sku, 'outside', 'free', initial from opened where initial > 0
     )
     select from opened`,
    [sku, units],
  );
  if (rowCount === 1) return;
  const { rows } = await db.execute(`select initial from item where sku = $1`, [sku]);
  const initial = Number(rows[0]?.["initial"]);
  if (initial !== units) throw new LedgerError("other-units", `${sku} is open with ${initial} units, not with ${units}`);
}

/** Of one moment: the five always add up. */
export async function levels(db: SqlExecutor, sku: string): Promise<StockLevels | undefined> {
  const { rows } = await db.execute(
    `select initial, free,
       (select coalesce(sum(leased - reserved - returned), 0) from chunk where chunk.sku = item.sku and chunk.state <> 'closed') as leased,
       (select coalesce(sum(quantity), 0) from hold where hold.sku = item.sku and hold.state = 'held') as held,
       (select coalesce(sum(quantity), 0) from hold where hold.sku = item.sku and hold.state = 'sold') as sold
     from item where sku = $1`,
    [sku],
  );
  const found = rows[0];
  if (found === undefined) return undefined;
  return { initial: Number(found["initial"]), free: Number(found["free"]), leased: Number(found["leased"]), held: Number(found["held"]), sold: Number(found["sold"]) };
}

// The hold comes first: of two at once for one order, the second waits here and then moves nothing.
const RESERVING = `mine as (
       insert into hold (order_id, sku, quantity, chunk, state)
       select $1, sku, $3::integer, (select id from chunk where id = $4 and chunk.sku = item.sku), 'held' from item where sku = $2
       on conflict do nothing returning order_id
     ), from_chunk as (
       update chunk set reserved = reserved + $3::integer
       where id = $4 and sku = $2 and state in ('open', 'closing') and reserved + returned + $3::integer <= leased and exists (select from mine)
       returning id
     ), from_free as (
       update item set free = free - $3::integer
       where sku = $2 and free >= $3::integer and exists (select from mine) and not exists (select from from_chunk)
       returning sku
     ), moved as (
       insert into movement (sku, reference, source, target, units)
       select $2, $1, 'chunk', 'held', $3::integer from from_chunk union all select $2, $1, 'free', 'held', $3::integer from from_free
     )`;

/**
 * Units for one order: from the chunk that it was promised from, while that has room, else from what is free. `sold-out` leaves nothing
 * behind, so it can be asked again; `held` is said again to an order that has its units. To one that gave them back it throws.
 */
export async function reserve(db: SqlExecutor, orderId: string, { sku, quantity, chunk }: Reservation): Promise<"held" | "sold-out"> {
  const { rows } = await db.execute(
    `with ${RESERVING}
     select case when exists (select from from_chunk) then 'chunk' when exists (select from from_free) then 'free'
                 when exists (select from mine) then 'nowhere' else 'not-mine' end as taken`,
    [orderId, sku, quantity, chunk],
  );
  switch (rows[0]?.["taken"]) {
    case "chunk":
      return "held";
    case "free":
      if (chunk !== null) await db.execute(`update hold set chunk = null where order_id = $1 and chunk is not null`, [orderId]);
      return "held";
    case "nowhere":
      await db.execute(`delete from hold where order_id = $1`, [orderId]);
      return "sold-out";
    default:
      return heldAlready(db, orderId, sku);
  }
}

/** `reserve` where it takes one statement: the units come from the promised chunk, or from what is free where none was promised. */
export function reserving(orderId: string, { sku, quantity, chunk }: Reservation): Effect {
  return { sql: RESERVED, values: [orderId, sku, quantity, chunk] };
}
const RESERVED = { with: RESERVING, done: "exists (select from from_chunk) or ($4::text is null and exists (select from from_free))" };

/** In a statement of its own: the one before may have waited for the hold that it now sees. */
async function heldAlready(db: SqlExecutor, orderId: string, sku: string): Promise<"held"> {
  const state = await stateOf(db, orderId);
  if (state === undefined) throw new LedgerError("unknown-item", `${sku} is not on offer`);
  if (state === "held" || state === "sold") return "held";
  throw new LedgerError("wrong-state", `${orderId} has given its units back (${state}); it cannot have them again`);
}

/** An order that is rolled back. No hold, or one that was given back: nothing happens. */
export async function release(db: SqlExecutor, orderId: string): Promise<void> {
  if (await moved(db, orderId, { from: "held", to: "released", account: "free" })) return;
  const state = await stateOf(db, orderId);
  if (state === "sold") throw new LedgerError("wrong-state", `${orderId} is sold; its units come back by a refund`);
}

/** An order that is paid. */
export async function sell(db: SqlExecutor, orderId: string): Promise<void> {
  if (await moved(db, orderId, { from: "held", to: "sold", account: "sold" })) return;
  const state = await stateOf(db, orderId);
  if (state !== "sold") throw new LedgerError("wrong-state", `${orderId} cannot be sold: ${state ?? "no units were reserved"}`);
}

/** `sell` where the hold is there. */
export function selling(orderId: string): Effect {
  return { sql: SOLD, values: [orderId, "held", "sold", "sold"] };
}

/** An order that is refunded. */
export async function restock(db: SqlExecutor, orderId: string): Promise<void> {
  if (await moved(db, orderId, { from: "sold", to: "restocked", account: "free" })) return;
  const state = await stateOf(db, orderId);
  if (state !== "restocked") throw new LedgerError("wrong-state", `${orderId} cannot be restocked: ${state ?? "no units were reserved"}`);
}

interface Move {
  readonly from: "held" | "sold";
  readonly to: HoldState;
  readonly account: "free" | "sold";
}

const MOVING = `mine as (
       update hold set state = $3 where order_id = $1 and state = $2 returning sku, quantity
     ), freed as (
       update item set free = item.free + mine.quantity from mine where item.sku = mine.sku and $4 = 'free'
     ), moved as (
       insert into movement (sku, reference, source, target, units) select sku, $1, $2, $4, quantity from mine
     )`;
const SOLD = { with: MOVING, done: "exists (select from mine)" };

/** False where the hold is not in the state `from`. */
async function moved(db: SqlExecutor, orderId: string, { from, to, account }: Move): Promise<boolean> {
  const { rowCount } = await db.execute(
    `with ${MOVING}
     select from mine`,
    [orderId, from, to, account],
  );
  return rowCount === 1;
}

async function stateOf(db: SqlExecutor, orderId: string): Promise<HoldState | undefined> {
  const { rows } = await db.execute(`select state from hold where order_id = $1`, [orderId]);
  return rows[0]?.["state"] as HoldState | undefined;
}
