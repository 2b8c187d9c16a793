/** Units, in double entry. Each of these runs in its caller's transaction. */
import type { StockAccount } from "../../checkers/checker.ts";
import type { Session } from "./databases.ts";
import { SKU, type Answer, type Order } from "./order.ts";

export async function putOnOffer(session: Session, units: number): Promise<void> {
  await session.changed("insert into item values ($1, $2, $2)", [SKU, units]);
  await move(session, SKU, "outside", "free", units);
}

/** Guarded by the units that are free, and by nothing else: who calls it twice takes twice. */
export async function takeUnit(session: Session, order: Order): Promise<Answer> {
  if ((await session.changed("update item set free = free - 1 where sku = $1 and free >= 1", [SKU])) === 0) return "refused";
  await writeHold(session, order, "free");
  return "done";
}

export async function writeHold(session: Session, { orderId }: Order, from: "free" | "chunk", chunk: string | null = null): Promise<void> {
  await session.changed("insert into hold values ($1, $2, 1, $3, 'held') on conflict (order_id) do update set state = 'held'", [orderId, SKU, chunk]);
  await move(session, orderId, from, "held", 1);
}

/** Without effect on what is not held, so it may be called again. */
export async function sellUnit(session: Session, { orderId }: Order): Promise<Answer> {
  const sold = await session.changed("update hold set state = 'sold' where order_id = $1 and state = 'held'", [orderId]);
  if (sold === 1) await move(session, orderId, "held", "sold", 1);
  if (sold === 1) return "done";
  return (await session.rows("select from hold where order_id = $1 and state = 'sold'", [orderId])).length === 1 ? "done" : "refused";
}

/** Without effect on what is not held, so it may be called again. */
export async function releaseUnit(session: Session, { orderId }: Order): Promise<Answer> {
  if ((await session.changed("update hold set state = 'released' where order_id = $1 and state = 'held'", [orderId])) === 0) return "done";
  await session.changed("update item set free = free + 1 where sku = $1", [SKU]);
  await move(session, orderId, "held", "free", 1);
  return "done";
}

export async function move(session: Session, reference: string, source: StockAccount, target: StockAccount, units: number): Promise<void> {
  await session.changed("insert into movement (sku, reference, source, target, units) values ($1, $2, $3, $4, $5)", [SKU, reference, source, target, units]);
}
