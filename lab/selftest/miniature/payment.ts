/** Cents, in double entry, and the provider's book of the same money. */
import type { Charge } from "../../checkers/checker.ts";
import type { Session } from "./databases.ts";
import { CENTS, type Order } from "./order.ts";

/** Another company's: a charge is known by its key, so it may be asked twice. */
export class Provider {
  readonly #book = new Map<string, Charge>();

  capture(key: string): void {
    if (!this.#book.has(key)) this.#book.set(key, { key, cents: CENTS, state: "captured" });
  }

  get book(): readonly Charge[] {
    return [...this.#book.values()];
  }
}

/** In its caller's transaction; it may be called again. */
export async function capture(session: Session, provider: Provider, { orderId, buyer }: Order): Promise<"done"> {
  provider.capture(orderId);
  const taken = await session.changed("insert into payment (order_id, buyer, cents, capture, state) values ($1, $2, $3, 'at-once', 'captured') on conflict (order_id) do nothing", [orderId, buyer, CENTS]);
  if (taken === 1) await session.changed("insert into posting (order_id, entry, account, cents) values ($1, 'capture', $2, $3), ($1, 'capture', 'shop', $4)", [orderId, `buyer:${buyer}`, -CENTS, CENTS]);
  return "done";
}

/** The provider's no. */
export async function decline(session: Session, { orderId, buyer }: Order): Promise<"refused"> {
  await session.changed("insert into payment (order_id, buyer, cents, capture, state) values ($1, $2, $3, 'at-once', 'declined') on conflict (order_id) do nothing", [orderId, buyer, CENTS]);
  return "refused";
}
