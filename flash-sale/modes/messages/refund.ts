/**
 * A paid order is given back, in the modes that talk in messages: money first, then units, one message after the other, so that nobody has
 * to remember which of the two has answered. `refunded` means that the payment owes the money to the buyer in its books (the provider is
 * told by its errand), and that the units can be sold again.
 *
 *     orders: refunding ──▶ payment calls off ──▶ orders ──▶ stock restocks ──▶ orders: refunded
 *
 * Every hop may be repeated: each ledger moves once.
 */
import type { OpenTransaction, SqlExecutor } from "tripact/barrier";
import { beginRefund, refunded } from "../../orders/ledger.ts";
import { callOff } from "../../payment/ledger.ts";
import { restock } from "../../stock/ledger.ts";
import { tellOrders, tellPayment, tellStock } from "./conversation.ts";

/** Whoever asks second finds that it has begun. */
export function beginRefundWith(open: OpenTransaction): (orderId: string) => Promise<void> {
  return (orderId) =>
    open(async (db) => {
      if (await beginRefund(db, orderId)) await tellPayment(db, orderId, { kind: "order.given-back" });
    });
}

export async function giveMoneyBack(db: SqlExecutor, orderId: string): Promise<void> {
  await callOff(db, orderId);
  await tellOrders(db, orderId, { kind: "payment.called-off" });
}

/** Throws while the units are not sold yet: then it comes again, after the event that sells them. */
export async function takeUnitsBack(db: SqlExecutor, orderId: string): Promise<void> {
  await restock(db, orderId);
  await tellOrders(db, orderId, { kind: "stock.restocked" });
}

export async function hearOfRefund(db: SqlExecutor, orderId: string, kind: "payment.called-off" | "stock.restocked"): Promise<void> {
  if (kind === "payment.called-off") await tellStock(db, orderId, { kind: "order.given-back" });
  else await refunded(db, orderId);
}
