/**
 * The purchase by messages: each service does its part in one local transaction and says so in the same commit. Nobody calls anybody, and
 * nobody undoes: the order's row is the one place where a purchase is decided, paid or closed, and stock and payment follow.
 *
 *     orders: placed ──order.placed──▶ stock: held ──stock.held──▶ orders ──payment.requested──▶ payment: billed
 *                                           └─stock.refused─▶ orders: sold-out                         │ the provider calls back
 *     stock: sold ◀──order.paid── orders: paid ◀──payment.captured─────────────────────────────────────┤
 *     stock: released ◀──order.closed── orders: declined ◀──payment.declined───────────────────────────┘
 *     stock: released, payment: called off ◀──order.closed── orders: expired, cancelled
 *
 * What rests on which order:
 *  - Stock hears `placed` before `paid`, `closed` and `given-back`, payment hears `requested` before `closed`: one outbox, one topic, one
 *    key, and whoever sends holds the order's row. So units that were given back are not asked for again, and what was called off is not billed.
 *  - Between stock's messages and payment's there is no order. `captured` may meet an order that has closed: the row says no, and the payment
 *    is called off, which refunds what was taken.
 *  - Should the first order ever fail, because a person skipped a message and asked for it again: units or money that come for an order
 *    which has closed are answered with `order.closed` once more. No order of events keeps what it should not, once the provider has answered.
 */
import { Refused } from "tripact";
import type { SqlExecutor } from "tripact/barrier";
import type { Envelope } from "tripact/events";
import type { Bill, OrderState } from "../contracts.ts";
import { because, close, paid, type Because } from "../orders/ledger.ts";
import { bill, callOff } from "../payment/ledger.ts";
import { release, reserve, sell } from "../stock/ledger.ts";
import { forOrders, forPayment, forStock, tellOrders, tellPayment, tellStock, TO_ORDERS, TO_PAYMENT, TO_STOCK } from "./messages/conversation.ts";
import { eachOverdue, newTurn } from "./messages/overdue.ts";
import { pruneInbox, pruning } from "./messages/pruning.ts";
import { receiving } from "./messages/receiving.ts";
import { beginRefundWith, giveMoneyBack, hearOfRefund, takeUnitsBack } from "./messages/refund.ts";
import { hearing } from "./messages/subscriptions.ts";
import type { Mode } from "./mode.ts";

export const outbox: Mode = {
  name: "outbox",

  async orders(side) {
    const { open } = side;
    const turn = newTurn();
    return {
      at: receiving(side, "orders", ordersHear),
      beginIn: (db, { orderId, sku, quantity, chunk }) => tellStock(db, orderId, { kind: "order.placed", reservation: { sku, quantity, chunk } }),
      cancel: (orderId) => open((db) => giveUp(db, orderId, "cancelled")),
      refund: beginRefundWith(open),
      sweep: () => eachOverdue(open, turn, (orderId) => open((db) => giveUp(db, orderId, "expired"))),
      stop: pruning(open, [pruneInbox], side),
    };
  },

  stock(side) {
    return { at: receiving(side, "stock", stockHears), stop: pruning(side.open, [pruneInbox], side) };
  },

  payment(side) {
    return {
      at: receiving(side, "payment", paymentHears),
      stop: pruning(side.open, [pruneInbox], side),
      // Set aside only: not in this mode, which asks for the money at once.
      settledIn: async (db, { orderId, outcome }) => {
        if (outcome !== "authorised") await tellOrders(db, orderId, { kind: outcome === "captured" ? "payment.captured" : "payment.declined" });
      },
    };
  },

  messages(addresses, secret) {
    const to = hearing(addresses, secret);
    return {
      orders: [to.stock([TO_STOCK]), to.payment([TO_PAYMENT])],
      stock: [to.orders([TO_ORDERS])],
      payment: [to.orders([TO_ORDERS])],
    };
  },
};

/** The order's row decides, and what follows from it is sent in the same commit. */
export async function ordersHear(db: SqlExecutor, event: Envelope): Promise<void> {
  const orderId = event.key;
  const { kind } = forOrders(event);
  switch (kind) {
    case "stock.held": {
      const { state, ...asked } = await lockOrder(db, orderId, "units held");
      if (state === "placed") await tellPayment(db, orderId, { kind: "payment.requested", bill: asked });
      else if (CLOSED.has(state)) await tellStock(db, orderId, { kind: "order.closed" });
      return;
    }
    case "stock.refused":
      // Nobody has anything of this order: there is nobody to tell.
      await because(db, orderId, "sold-out");
      await close(db, orderId);
      return;
    case "payment.captured":
      if (await paid(db, orderId)) await tellStock(db, orderId, { kind: "order.paid" });
      else if (CLOSED.has((await lockOrder(db, orderId)).state)) await tellPayment(db, orderId, { kind: "order.closed" });
      return;
    case "payment.declined":
      await because(db, orderId, "declined");
      if (await close(db, orderId)) await tellStock(db, orderId, { kind: "order.closed" });
      return;
    case "payment.called-off":
    case "stock.restocked":
      return hearOfRefund(db, orderId, kind);
  }
}

export async function stockHears(db: SqlExecutor, event: Envelope): Promise<void> {
  const orderId = event.key;
  const news = forStock(event);
  switch (news.kind) {
    case "order.placed": {
      const answer = await reserve(db, orderId, news.reservation);
      return tellOrders(db, orderId, { kind: answer === "held" ? "stock.held" : "stock.refused" });
    }
    case "order.paid":
      return sell(db, orderId);
    case "order.closed":
      return release(db, orderId);
    case "order.given-back":
      return takeUnitsBack(db, orderId);
  }
}

export async function paymentHears(db: SqlExecutor, event: Envelope): Promise<void> {
  const orderId = event.key;
  const news = forPayment(event);
  switch (news.kind) {
    case "payment.requested":
      return bill(db, orderId, news.bill, "at-once");
    case "order.closed":
      return callOff(db, orderId);
    case "order.given-back":
      return giveMoneyBack(db, orderId);
  }
}

/** Expired, or cancelled: unless it is paid by now, it closes. Neither stock nor payment need have heard of it yet; both will hear this afterwards. */
async function giveUp(db: SqlExecutor, orderId: string, why: Because): Promise<void> {
  await because(db, orderId, why);
  if (!(await close(db, orderId))) return;
  await tellStock(db, orderId, { kind: "order.closed" });
  await tellPayment(db, orderId, { kind: "order.closed" });
}

/** Closed unpaid: whatever is still done for it has to be taken back. */
const CLOSED: ReadonlySet<OrderState> = new Set<OrderState>(["sold-out", "declined", "expired", "cancelled", "failed"]);

/** Locked, so that what is sent because of its state comes before what is sent because of the next one. `what`: for its timeline, if it is on its way. */
async function lockOrder(db: SqlExecutor, orderId: string, what?: string): Promise<Bill & { readonly state: OrderState }> {
  const { rows } = await db.execute(
    `with locked as (
       select order_id, state, buyer, cents from orders where order_id = $1 for update
     ), noted as (
       insert into order_event (order_id, what) select order_id, $2 from locked where state = 'placed' and $2::text is not null
     )
     select state, buyer, cents from locked`,
    [orderId, what ?? null],
  );
  const row = rows[0];
  // A person has to look: was this database restored from a backup?
  if (row === undefined) throw new Refused("unknown-order");
  return { state: row["state"] as OrderState, buyer: String(row["buyer"]), cents: Number(row["cents"]) };
}
