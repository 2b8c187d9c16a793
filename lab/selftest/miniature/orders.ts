/** Orders: promises, and how they end. */
import type { OrderState } from "../../checkers/checker.ts";
import type { Session } from "./databases.ts";
import { CENTS, LIMIT_PER_BUYER, SKU, type Order } from "./order.ts";

export async function openSale(session: Session, units: number): Promise<void> {
  await session.changed("insert into sale values ($1, $2, $3, $4, 60000, 0, 4102444800000)", [SKU, units, CENTS, LIMIT_PER_BUYER]);
}

/** In the caller's transaction. False: this id is taken, by an earlier placement or by a tombstone. */
export async function place(session: Session, { orderId, buyer, requestId }: Order): Promise<boolean> {
  const placed = await session.changed(
    `insert into orders (order_id, sku, buyer, request_id, quantity, cents, state, expires_at) values ($1, $2, $3, $4, 1, $5, 'placed', now() + interval '1 hour')
     on conflict (order_id) do nothing`,
    [orderId, SKU, buyer, requestId, CENTS],
  );
  if (placed === 0) return false;
  await session.changed("insert into allowance values ($1, $2, 1) on conflict (sku, buyer) do update set units = allowance.units + 1", [SKU, buyer]);
  await session.changed("insert into order_event (order_id, what) values ($1, 'placed')", [orderId]);
  return true;
}

/** The first end of an order is its end. */
export async function end(session: Session, { orderId, buyer }: Order, state: OrderState): Promise<void> {
  const ended = await session.changed("update orders set state = $2, ended_at = clock_timestamp() where order_id = $1 and state = 'placed'", [orderId, state]);
  if (ended === 0) return;
  await session.changed("insert into order_event (order_id, what) values ($1, $2)", [orderId, state]);
  if (state !== "paid") await session.changed("update allowance set units = units - 1 where sku = $1 and buyer = $2", [SKU, buyer]);
}

/** Makes "there is no such order" true for ever. False: it has been placed. */
export async function neverPlaced(session: Session, { orderId }: Order): Promise<boolean> {
  return (await session.changed("insert into orders (order_id, state, ended_at) values ($1, 'never-placed', clock_timestamp()) on conflict (order_id) do nothing", [orderId])) === 1;
}

export async function stateOf(session: Session, { orderId }: Order): Promise<OrderState | undefined> {
  return (await session.rows<{ state: OrderState }>("select state from orders where order_id = $1", [orderId]))[0]?.state;
}

export async function stillPlaced(session: Session, order: Order): Promise<boolean> {
  return (await stateOf(session, order)) === "placed";
}

export async function anyPlaced(session: Session, orders: readonly Order[]): Promise<boolean> {
  for (const order of orders) if (await stillPlaced(session, order)) return true;
  return false;
}
