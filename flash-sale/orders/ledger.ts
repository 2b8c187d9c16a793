/**
 * The orders' tables. Every function takes the caller's open transaction and is one guarded statement: whoever comes second finds the row
 * as the first one left it, and changes nothing.
 */
import type { SqlExecutor } from "tripact/barrier";
import type { Order, OrderState, Placement, Sale, SaleCounts } from "../contracts.ts";

/** Why an order closes, where that is known before it does. */
export type Because = Exclude<OrderState, "placed" | "paid" | "refunding" | "refunded" | "never-placed">;

export type Inserted =
  | { readonly kind: "placed"; readonly order: Order }
  | { readonly kind: "again" | "conflict" | "never-placed" | "limited" | "closed" };

/**
 * The promise's row, and its units of the buyer's allowance, in one statement. An order that exists already answers for itself. On
 * `limited` the caller rolls back: the row is in, the allowance is not.
 */
export async function insertOrder(db: SqlExecutor, placement: Placement): Promise<Inserted> {
  const { orderId, sku, buyer, requestId, quantity, chunk } = placement;
  const { rows } = await db.execute(
    `with open_sale as (
       select * from sale where sku = $2 and extract(epoch from clock_timestamp()) * 1000 between opens_at and closes_at
     ), placed as (
       insert into orders (order_id, sku, buyer, request_id, quantity, cents, chunk, state, expires_at)
       select $1, sku, $3, $4, $5, $5 * cents, case when exists (select from ended_chunk where chunk = $6) then null else $6 end, 'placed',
              clock_timestamp() + payment_window_ms * interval '1 millisecond'
       from open_sale
       on conflict do nothing
       returning cents, chunk
     ), spent as (
       insert into allowance (sku, buyer, units)
       select open_sale.sku, $3, $5 from open_sale, placed where $5 <= limit_per_buyer
       on conflict (sku, buyer) do update set units = allowance.units + excluded.units
         where allowance.units + excluded.units <= (select limit_per_buyer from open_sale)
       returning units
     ), noted as (
       insert into order_event (order_id, what) select $1, 'placed' from placed
     )
     select (select payment_window_ms from open_sale) as window, (select cents from placed) as cents, (select chunk from placed) as chunk,
            exists (select from placed) as placed, exists (select from spent) as spent`,
    [orderId, sku, buyer, requestId, quantity, chunk],
  );
  const found = rows[0] as { window: number | null; cents: number | null; chunk: string | null; placed: boolean; spent: boolean };
  if (!found.placed) return (await known(db, placement)) ?? { kind: "closed" };
  if (!found.spent) return { kind: "limited" };
  return { kind: "placed", order: { orderId, sku, buyer, requestId, quantity, cents: Number(found.cents), chunk: found.chunk, paymentWindowMs: Number(found.window) } };
}

/** How the order that is there already answers to this placement. */
async function known(db: SqlExecutor, { orderId, sku, buyer, requestId, quantity }: Placement): Promise<Inserted | undefined> {
  const { rows } = await db.execute(`select state, quantity from orders where order_id = $1 or (sku = $2 and buyer = $3 and request_id = $4)`, [orderId, sku, buyer, requestId]);
  const row = rows[0] as { state: OrderState; quantity: number | null } | undefined;
  if (row === undefined) return undefined;
  if (row.state === "never-placed") return { kind: "never-placed" };
  return { kind: row.quantity === quantity ? "again" : "conflict" };
}

/** To answer "no" is to make it so: the tombstone takes the order's place. True if the order is there. */
export async function settle(db: SqlExecutor, orderId: string): Promise<boolean> {
  await db.execute(`insert into orders (order_id, state, ended_at) values ($1, 'never-placed', clock_timestamp()) on conflict do nothing`, [orderId]);
  const { rows } = await db.execute(`select state from orders where order_id = $1`, [orderId]);
  return rows[0]?.["state"] !== "never-placed";
}

/** The buyer has the units, the shop the money. False if the order is not on its way any more, or was paid before. */
export async function paid(db: SqlExecutor, orderId: string): Promise<boolean> {
  const { rowCount } = await db.execute(
    `with changed as (update orders set state = 'paid', ended_at = clock_timestamp() where order_id = $1 and state = 'placed' returning order_id)
     insert into order_event (order_id, what) select order_id, 'paid' from changed`,
    [orderId],
  );
  return rowCount === 1;
}

/** A refusal's code, for the day when the order closes. The first one stays. */
export async function because(db: SqlExecutor, orderId: string, why: Because): Promise<void> {
  await db.execute(`update orders set because = $2 where order_id = $1 and state = 'placed' and because is null`, [orderId, why]);
}

/** It will not be paid: for the reason that was recorded, else because its time is up, or its way has failed. The buyer may spend these units again. */
export async function close(db: SqlExecutor, orderId: string): Promise<boolean> {
  const { rows } = await db.execute(
    `with changed as (
       update orders
       set state = coalesce(because, case when expires_at < clock_timestamp() + interval '50 milliseconds' then 'expired' else 'failed' end), ended_at = clock_timestamp()
       where order_id = $1 and state = 'placed'
       returning order_id, state, sku, buyer, quantity
     ), given as (
       update allowance set units = allowance.units - quantity from changed where allowance.sku = changed.sku and allowance.buyer = changed.buyer
     ), noted as (
       insert into order_event (order_id, what) select order_id, state from changed
     )
     select count(*)::int as changed from changed`,
    [orderId],
  );
  return rows[0]?.["changed"] === 1;
}

/** The buyer gives it back: a paid order's way to `refunded`. True for the one who begins it. */
export async function beginRefund(db: SqlExecutor, orderId: string): Promise<boolean> {
  const { rowCount } = await db.execute(
    `with changed as (update orders set state = 'refunding', ended_at = null where order_id = $1 and state = 'paid' returning order_id)
     insert into order_event (order_id, what) select order_id, 'refunding' from changed`,
    [orderId],
  );
  return rowCount === 1;
}

export async function refunded(db: SqlExecutor, orderId: string): Promise<void> {
  await db.execute(
    `with changed as (
       update orders set state = 'refunded', ended_at = clock_timestamp() where order_id = $1 and state = 'refunding' returning order_id, sku, buyer, quantity
     ), given as (
       update allowance set units = allowance.units - quantity from changed where allowance.sku = changed.sku and allowance.buyer = changed.buyer
     )
     insert into order_event (order_id, what) select order_id, 'refunded' from changed`,
    [orderId],
  );
}

/** Orders whose payment window has passed by `beyondMs`, the oldest first. */
export async function overdue(db: SqlExecutor, limit: number, beyondMs = 0): Promise<readonly string[]> {
  const { rows } = await db.execute(
    `select order_id from orders where state = 'placed' and expires_at < clock_timestamp() - $2 * interval '1 millisecond' order by expires_at limit $1`,
    [limit, beyondMs],
  );
  return rows.map((row) => String(row["order_id"]));
}

export interface Overdue {
  readonly orderId: string;
  /** As the database writes it: it keeps more digits than a `Date`. */
  readonly expiresAt: string;
}

/** Orders whose payment window has passed, the oldest first, from behind this one on. */
export async function overdueAfter(db: SqlExecutor, after: Overdue | undefined, limit: number): Promise<readonly Overdue[]> {
  const { rows } = await db.execute(
    `select order_id, expires_at::text from orders
      where state = 'placed' and expires_at < clock_timestamp() and (expires_at, order_id) > ($1::timestamptz, $2) order by expires_at, order_id limit $3`,
    [after?.expiresAt ?? "-infinity", after?.orderId ?? "", limit],
  );
  return rows.map((row) => ({ orderId: String(row["order_id"]), expiresAt: String(row["expires_at"]) }));
}

/** Orders that are on their way for longer than `olderThanMs`, some at a time: those after this id, and from the beginning again after the last. */
export async function lingering(db: SqlExecutor, after: string, olderThanMs: number, limit: number): Promise<readonly string[]> {
  const { rows } = await db.execute(
    `select order_id from orders where state = 'placed' and order_id > $1 and placed_at < clock_timestamp() - $2 * interval '1 millisecond' order by order_id limit $3`,
    [after, olderThanMs, limit],
  );
  return rows.map((row) => String(row["order_id"]));
}

/** A line for the timeline. */
export async function note(db: SqlExecutor, orderId: string, what: string): Promise<void> {
  await db.execute(`insert into order_event (order_id, what) values ($1, $2)`, [orderId, what]);
}

export async function orderOf(db: SqlExecutor, orderId: string): Promise<(Order & { readonly state: OrderState }) | undefined> {
  const { rows } = await db.execute(
    `select o.*, s.payment_window_ms from orders o join sale s using (sku) where order_id = $1`,
    [orderId],
  );
  const row = rows[0] as { readonly chunk: string | null; readonly [column: string]: unknown } | undefined;
  if (row === undefined) return undefined;
  return {
    orderId,
    sku: String(row["sku"]),
    buyer: String(row["buyer"]),
    requestId: String(row["request_id"]),
    quantity: Number(row["quantity"]),
    cents: Number(row["cents"]),
    chunk: row.chunk,
    paymentWindowMs: Number(row["payment_window_ms"]),
    state: row["state"] as OrderState,
  };
}

export async function timelineOf(db: SqlExecutor, orderId: string): Promise<readonly { readonly at: number; readonly what: string }[]> {
  const { rows } = await db.execute(`select extract(epoch from at) * 1000 as at, what from order_event where order_id = $1 order by at limit 200`, [orderId]);
  return rows.map((row) => ({ at: Math.round(Number(row["at"])), what: String(row["what"]) }));
}

export async function statesOf(db: SqlExecutor, orderIds: readonly string[]): Promise<Readonly<Record<string, OrderState>>> {
  const { rows } = await db.execute(`select order_id, state from orders where order_id = any($1)`, [orderIds]);
  return Object.fromEntries(rows.map((row) => [String(row["order_id"]), row["state"] as OrderState]));
}

/** The same sale again is no harm; another one under this name is refused by the caller, who compares. */
export async function openSale(db: SqlExecutor, sale: Sale): Promise<Sale> {
  const { sku, units, cents, limitPerBuyer, paymentWindowMs, opensAt, closesAt } = sale;
  await db.execute(
    `insert into sale (sku, units, cents, limit_per_buyer, payment_window_ms, opens_at, closes_at) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing`,
    [sku, units, cents, limitPerBuyer, paymentWindowMs, opensAt, closesAt],
  );
  return (await saleOf(db, sku)) ?? sale;
}

export async function saleOf(db: SqlExecutor, sku: string): Promise<Sale | undefined> {
  const { rows } = await db.execute(`select * from sale where sku = $1`, [sku]);
  const row = rows[0];
  if (row === undefined) return undefined;
  return {
    sku,
    units: Number(row["units"]),
    cents: Number(row["cents"]),
    limitPerBuyer: Number(row["limit_per_buyer"]),
    paymentWindowMs: Number(row["payment_window_ms"]),
    opensAt: Number(row["opens_at"]),
    closesAt: Number(row["closes_at"]),
  };
}

export async function countsOf(db: SqlExecutor, sku: string): Promise<SaleCounts> {
  const { rows } = await db.execute(
    `select count(*) filter (where state = 'placed')::int as placed, count(*) filter (where state = 'paid')::int as paid,
            coalesce(sum(quantity) filter (where state = 'paid'), 0)::int as units
     from orders where sku = $1`,
    [sku],
  );
  return { placed: Number(rows[0]?.["placed"]), paid: Number(rows[0]?.["paid"]), unitsSold: Number(rows[0]?.["units"]) };
}

const ACCEPTED_PAGE = 5_000;
const ACCEPTED_AGAIN = 1_000;

export async function acceptedAfter(db: SqlExecutor, sku: string, after: number): Promise<{ readonly orders: readonly Pick<Order, "orderId" | "buyer" | "quantity">[]; readonly after: number }> {
  const { rows } = await db.execute(
    `select seq, order_id, buyer, quantity from orders where sku = $1 and seq > $2 and state <> 'never-placed' order by seq limit $3`,
    [sku, after, ACCEPTED_PAGE],
  );
  // Rows commit out of their order: the last ones are read again, as many as placements can be under way at once.
  const last = rows.length === ACCEPTED_PAGE ? rows[ACCEPTED_PAGE - 1 - ACCEPTED_AGAIN] : rows.at(-1 - ACCEPTED_AGAIN);
  return {
    orders: rows.map((row) => ({ orderId: String(row["order_id"]), buyer: String(row["buyer"]), quantity: Number(row["quantity"]) })),
    after: Number(last?.["seq"] ?? after),
  };
}

/**
 * From now on nobody places an order with this chunk. A placement that began before may still commit: the stock waits longer than a
 * placement usually takes before it counts on the answer, and an order that comes even later takes its units from the free pool.
 */
export async function endChunk(db: SqlExecutor, chunk: string): Promise<readonly Pick<Order, "orderId" | "quantity">[]> {
  await db.execute(`insert into ended_chunk (chunk) values ($1) on conflict do nothing`, [chunk]);
  const { rows } = await db.execute(`select order_id, quantity from orders where chunk = $1 and state = 'placed'`, [chunk]);
  return rows.map((row) => ({ orderId: String(row["order_id"]), quantity: Number(row["quantity"]) }));
}

/** Orders on their way, counted up to `max`: beyond it nobody needs to know how many. */
export async function openCount(db: SqlExecutor, max: number): Promise<number> {
  const { rows } = await db.execute(`select count(*)::int as open from (select from orders where state = 'placed' limit $1) as counted`, [max]);
  return Number(rows[0]?.["open"]);
}
