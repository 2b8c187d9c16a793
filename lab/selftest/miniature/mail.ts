/** A purchase by message: the order is placed and its message written in one transaction; a relay has it handled. */
import type { Session } from "./databases.ts";
import { orderNamed, type Order } from "./order.ts";
import type { Shop } from "./shop.ts";
import { takeUnit } from "./stock.ts";

export interface Message {
  readonly id: number;
  readonly order: Order;
}

export async function send(session: Session, { orderId }: Order): Promise<number> {
  const [row] = await session.rows<{ id: number }>("insert into outbox (order_id) values ($1) returning id::int", [orderId]);
  return row?.id ?? 0;
}

/** Visible and not acknowledged, in the order of their ids. */
export async function unacked(session: Session): Promise<readonly Message[]> {
  return (await session.rows<{ id: number; orderId: string }>(`select id::int, order_id as "orderId" from outbox where not acked order by id`)).map(message);
}

export function message({ id, orderId }: { readonly id: number; readonly orderId: string }): Message {
  return { id, order: orderNamed(orderId) };
}

export async function ack(session: Session, { id }: Message): Promise<void> {
  await session.changed("update outbox set acked = true where id = $1", [id]);
}

/** Applies a message. Taking the unit is the one effect in it that a second time would double; the inbox is what prevents that. */
export async function handle(shop: Shop, { id, order }: Message, { inbox }: { readonly inbox: boolean }): Promise<void> {
  await shop.inStock(async (session) => {
    const isNew = inbox ? (await session.changed("insert into inbox values ($1) on conflict do nothing", [id])) === 1 : true;
    if (isNew) await takeUnit(session, order);
  });
  const [hold] = await shop.databases.stock.rows("select from hold where order_id = $1", [order.orderId]);
  if (hold === undefined) await shop.end(order, "sold-out");
  else await shop.fulfil(order);
}
