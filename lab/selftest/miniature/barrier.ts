/** What makes a participant's call repeatable: its answer is committed with its effect, and a refusal is an answer like any other. */
import type { Session } from "./databases.ts";
import type { Answer, Order } from "./order.ts";
import { releaseUnit, takeUnit } from "./stock.ts";

/** In the caller's transaction. The same answer however often it is asked; refused once it was cancelled. */
export async function once(session: Session, { orderId }: Order, op: string, work: () => Promise<Answer>): Promise<Answer> {
  const known = await answered(session, orderId, op);
  if (known !== undefined) return known === "done" ? "done" : "refused";
  const answer = await work();
  await record(session, orderId, op, answer);
  return answer;
}

export async function answered(session: Session, orderId: string, op: string): Promise<string | undefined> {
  return (await session.rows<{ outcome: string }>("select outcome from barrier where order_id = $1 and op = $2", [orderId, op]))[0]?.outcome;
}

export async function record(session: Session, orderId: string, op: string, outcome: Answer | "canceled"): Promise<void> {
  await session.changed("insert into barrier values ($1, $2, $3)", [orderId, op, outcome]);
}

export function tryUnit(session: Session, order: Order): Promise<Answer> {
  return once(session, order, "try", () => takeUnit(session, order));
}

/** Undoes a try; where there was none, it leaves the tombstone that a late one finds. */
export async function cancelUnit(session: Session, order: Order): Promise<Answer> {
  const tried = await answered(session, order.orderId, "try");
  if (tried === undefined) await record(session, order.orderId, "try", "canceled");
  return releaseUnit(session, order);
}
