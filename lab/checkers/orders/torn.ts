import type { HoldRow, OrderRow, PaymentRow } from "../checker.ts";
import { checking } from "../findings.ts";
import { byOrder, cameToNothing, isFinal } from "../joins.ts";

/**
 * For each order in a final state, stock and payment agree with it:
 * paid ⇒ units sold ∧ payment captured; refunded ⇒ units restocked ∧ payment refunded; every other ⇒ units neither held nor sold ∧ payment
 * never captured, or given back; and hold and payment are of this order's sale, quantity, buyer and price. One finding an order.
 */
export const torn = checking("torn", ["orders", "holds", "payments"], ({ orders, holds, payments }, findings) => {
  const [holdOf, paymentOf] = [byOrder(holds), byOrder(payments)];
  for (const order of orders) {
    if (!isFinal(order.state)) continue;
    findings.looked();
    const [hold, payment] = [holdOf.get(order.orderId), paymentOf.get(order.orderId)];
    const wrong = [...inStock(order, hold), ...inPayment(order, payment)];
    const [first] = wrong;
    if (first !== undefined) findings.add({ kind: first.kind, key: order.orderId, units: order.quantity ?? hold?.quantity ?? 0, cents: order.cents ?? payment?.cents ?? 0, detail: `${order.state}, but ${wrong.map(({ says }) => says).join(", ")}` });
  }
});

interface Disagreement {
  readonly kind: "stock" | "payment" | "terms";
  readonly says: string;
}

function* inStock(order: OrderRow, hold: HoldRow | undefined): Generator<Disagreement> {
  const state = hold?.state ?? "none";
  const fits = order.state === "paid" ? state === "sold" : order.state === "refunded" ? state === "restocked" : state !== "held" && state !== "sold";
  if (!fits) yield { kind: "stock", says: state === "none" ? "it has no units" : `its units are ${state}` };
  if (hold === undefined || order.quantity === null) return;
  if (hold.quantity !== order.quantity || hold.sku !== order.sku) yield { kind: "terms", says: `the stock has ${hold.quantity} of ${hold.sku} for ${order.quantity} of ${order.sku}` };
}

function* inPayment(order: OrderRow, payment: PaymentRow | undefined): Generator<Disagreement> {
  const state = payment?.state ?? "none";
  // A refund that is due has been decided, which is agreement; that it is late, others say.
  const back = state === "refunded" || state === "refund-due";
  const fits = order.state === "paid" ? state === "captured" : order.state === "refunded" ? back : state === "none" || state === "declined" || state === "voided" || back;
  if (!fits) yield { kind: "payment", says: state === "none" ? "it has no payment" : `its payment is ${state}` };
  if (payment === undefined || order.cents === null || cameToNothing(order.state)) return;
  if (payment.cents !== order.cents || payment.buyer !== order.buyer) yield { kind: "terms", says: `the payment is ${payment.cents} cents of ${payment.buyer} for ${order.cents} of ${order.buyer}` };
}
