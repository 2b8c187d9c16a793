/** A coordinator's journal, in the orders' database: who drives a purchase, how far it is, and what was decided. */
import type { Session } from "./databases.ts";
import type { Order } from "./order.ts";

export type Decision = "commit" | "roll back";

export interface Entry {
  readonly owner: string;
  readonly epoch: number;
  readonly seq: number;
  readonly flushId: string | null;
  readonly decision: Decision | null;
}

/** In the transaction that places the order. */
export async function openJournal(session: Session, { orderId }: Order, owner: string): Promise<void> {
  await session.changed("insert into journal (order_id, owner) values ($1, $2)", [orderId, owner]);
}

export async function entryOf(session: Session, { orderId }: Order): Promise<Entry> {
  const [entry] = await session.rows<Entry>(`select owner, epoch, seq, flush_id as "flushId", decision from journal where order_id = $1`, [orderId]);
  if (entry === undefined) throw new Error(`${orderId} is in no journal`);
  return entry;
}

/** The first decision stands. Tells which one it is. */
export async function decide(session: Session, order: Order, decision: Decision): Promise<Decision> {
  await session.changed("update journal set decision = $2 where order_id = $1 and decision is null", [order.orderId, decision]);
  return (await entryOf(session, order)).decision ?? decision;
}

export async function closeJournal(session: Session, { orderId }: Order): Promise<void> {
  await session.changed("update journal set ended = true where order_id = $1", [orderId]);
}
