/**
 * Units in a gateway's hands. A chunk is `open` while its gateway is heard, `closing` when no more is promised from it, `closed` when
 * every unit of it is reserved or back. One guarded statement each, chunks before items, and no row twice: to lock a row first and
 * then update it by an older snapshot's version of it is how two of these once waited for each other. Their locks leave room for the holds, which refer to chunk and item.
 */
import type { SqlExecutor } from "tripact/barrier";
import type { Order } from "../contracts.ts";

export interface Lease {
  /** The new chunk's id. */
  readonly chunk: string;
  readonly gateway: string;
  readonly sku: string;
  readonly units: number;
}

/** From free to a new chunk, at most what is free. Returns how many: 0 when nothing is, and then there is no chunk. */
export async function lease(db: SqlExecutor, { chunk, gateway, sku, units }: Lease): Promise<number> {
  const { rows } = await db.execute(
    `with taken as (
       update item set free = free - least(free, $4::integer) where sku = $3 and free > 0 returning sku, old.free - new.free as units
     ), opened as (
       insert into chunk (id, sku, gateway, leased, state) select $1, sku, $2, units, 'open' from taken returning sku, leased
     ), moved as (
       insert into movement (sku, reference, source, target, units) select sku, $1, 'free', 'chunk', leased from opened
     )
     select leased from opened`,
    [chunk, gateway, sku, units],
  );
  return Number(rows[0]?.["leased"] ?? 0);
}

/** A heartbeat. Returns those that are still open: from the others nothing may be promised any more. One by one: a batch of messages has several of them too, in another order. */
export async function renew(db: SqlExecutor, gateway: string, chunks: readonly string[]): Promise<readonly string[]> {
  const open: string[] = [];
  for (const chunk of chunks) {
    const { rowCount } = await db.execute(`update chunk set beat = beat + 1 where id = $2 and gateway = $1 and state = 'open'`, [gateway, chunk]);
    if (rowCount === 1) open.push(chunk);
  }
  return open;
}

/** The first of two steps: nothing is promised from these any more; what was may still be reserved. One by one, as with `renew`. */
export async function end(db: SqlExecutor, chunks: readonly string[]): Promise<void> {
  for (const chunk of chunks) await db.execute(`update chunk set state = 'closing' where id = $1 and state = 'open'`, [chunk]);
}

/** The same for one that has gone silent, unless it was heard after all. */
export async function endSilent(db: SqlExecutor, chunk: string, beat: string): Promise<boolean> {
  const { rowCount } = await db.execute(`update chunk set state = 'closing' where id = $1 and state = 'open' and beat = $2::bigint`, [chunk, beat]);
  return rowCount === 1;
}

export interface Settled {
  /** `gone`: somebody else has closed it. */
  readonly kind: "closed" | "kept" | "gone";
  /** How many went back to free, in this call. */
  readonly returned: number;
}

/**
 * The second step. `open` are the chunk's orders on their way, as told after the chunk was ended for placements: from then on they only get
 * fewer, so an old list keeps too much and never too little. Those without a hold keep their units; the rest goes back.
 * A hold that commits just now may be counted on both sides: the next round returns what this one kept.
 */
export async function settle(db: SqlExecutor, chunk: string, open: readonly Pick<Order, "orderId" | "quantity">[]): Promise<Settled> {
  const { rows } = await db.execute(
    `with kept as (
       select coalesce(sum(quantity), 0)::integer as units from unnest($2::text[], $3::integer[]) as listed (order_id, quantity)
       where not exists (select from hold where hold.order_id = listed.order_id)
     ), settled as (
       update chunk set returned = returned + greatest(leased - reserved - returned - kept.units, 0),
         state = case when kept.units = 0 or leased - reserved - returned = 0 then 'closed' else 'closing' end
       from kept where id = $1 and state = 'closing' returning chunk.sku, chunk.state, new.returned - old.returned as rest
     ), freed as (
       update item set free = item.free + settled.rest from settled where item.sku = settled.sku and settled.rest > 0
     ), moved as (
       insert into movement (sku, reference, source, target, units) select sku, $1, 'chunk', 'free', rest from settled where rest > 0
     )
     select state, rest from settled`,
    [chunk, open.map(({ orderId }) => orderId), open.map(({ quantity }) => quantity)],
  );
  const settled = rows[0];
  if (settled === undefined) return { kind: "gone", returned: 0 };
  return { kind: settled["state"] === "closed" ? "closed" : "kept", returned: Number(settled["rest"]) };
}

/** A chunk that is not closed. */
export interface Unclosed {
  readonly id: string;
  readonly kind: "open" | "closing";
  /** Counts up; compared, never calculated with. */
  readonly beat: string;
  /** Nothing is left in it. */
  readonly empty: boolean;
}

/** Bounds a round. A shop with more chunks than this has them looked after in turn, as the first ones close. */
const UNCLOSED_MAX = 10_000;

export async function unclosed(db: SqlExecutor): Promise<readonly Unclosed[]> {
  const { rows } = await db.execute(
    `select id, state, beat, reserved + returned = leased as empty from chunk where state <> 'closed' order by opened_at, id limit $1::integer`,
    [UNCLOSED_MAX],
  );
  return rows.map(({ id, state, beat, empty }) => ({ id: String(id), kind: state === "open" ? "open" : "closing", beat: String(beat), empty: empty === true }));
}
