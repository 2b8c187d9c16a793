/**
 * The purchase as a choreography: stock and payment hear what has happened, do their step, and say so. Orders starts it and owns the one
 * decision; what has to be undone, it publishes step by step.
 *
 *     purchase.started ──▶ stock: reserve ──reserve.done──▶ payment: pay ──pay.done──▶ orders: committed ──▶ stock sells
 *                             └─refused─▶ orders: rolled back      └─refused─▶ orders ──reserve.undo──▶ stock ──undone──▶ orders: rolled back
 *
 * The order's row stays `placed` until everything is undone: its units can be sold again before its buyer hears that they are gone.
 * Events come in any order, so each step stands behind tripact's barrier, and what is done beside a step is guarded by its own row.
 */
import { Refused } from "tripact";
import type { OpenTransaction, SqlExecutor } from "tripact/barrier";
import { choreography as define, json, type UndoReason } from "tripact/choreography";
import type { Envelope } from "tripact/events";
import type { Bill, Order } from "../contracts.ts";
import { because, close, paid, type Because } from "../orders/ledger.ts";
import { bill, callOff, stateOf } from "../payment/ledger.ts";
import { release, reserve, sell } from "../stock/ledger.ts";
import { billIn, forOrders, forPayment, forStock, notUnderstood, objectIn, objectOf, TO_ORDERS, TO_PAYMENT, TO_STOCK } from "./messages/conversation.ts";
import { eachOverdue, newTurn, type Turn } from "./messages/overdue.ts";
import { callOffParked, LIFE_MS, lockQuestion, makeParkingTable, park, pruneParked, takeParked } from "./messages/parked.ts";
import { pruneBarrier, pruneInbox, pruning, type Prune } from "./messages/pruning.ts";
import { receiving } from "./messages/receiving.ts";
import { beginRefundWith, giveMoneyBack, hearOfRefund, takeUnitsBack } from "./messages/refund.ts";
import { hearing } from "./messages/subscriptions.ts";
import type { Mode, OrdersSide } from "./mode.ts";

type Purchase = Pick<Order, "sku" | "quantity" | "chunk" | "buyer" | "cents">;

/** A definition has one deadline for all its sagas, a sale has its own: the orders' sweep holds that one, this one is the net below it. */
const purchase = define("purchase", { input: json<Purchase>(), deadlineMs: LIFE_MS })
  .step("reserve", { payload: ({ sku, quantity, chunk }) => ({ sku, quantity, chunk }) })
  .step("pay", { payload: ({ buyer, cents }) => ({ buyer, cents }) });

const RESERVED = "purchase.reserve.done";
const PAY_UNDO = "purchase.pay.undo";
const COMMITTED = "purchase.committed";
const ROLLED_BACK = "purchase.rolled-back";

// Orders: the decision, and the order's row in the same commit.

const EXPIRED = "the payment window";
const BUYER = "the buyer";

const initiator = purchase.initiator({
  committed: async (db, { gid }) => {
    // Only these two hooks take an order out of `placed`. Should something else have, this commit must not happen.
    if (!(await paid(db, gid))) throw new Error(`order ${gid} was decided by somebody else`);
  },
  rollingBack: (db, { gid, reason }) => because(db, gid, whyOf(reason)),
  rolledBack: async (db, { gid }) => void (await close(db, gid)),
});

function whyOf(reason: UndoReason): Because {
  switch (reason.kind) {
    case "refused":
      return reason.code === "sold-out" || reason.code === "declined" ? reason.code : "failed";
    case "cancelled":
      return reason.by === BUYER ? "cancelled" : "expired";
    case "deadline":
      return "expired";
  }
}

export async function ordersHear(db: SqlExecutor, event: Envelope): Promise<void> {
  if (event.topic !== TO_ORDERS) return initiator.handle(db, event);
  const { kind } = forOrders(event);
  if (kind !== "payment.called-off" && kind !== "stock.restocked") throw notUnderstood(event);
  await hearOfRefund(db, event.key, kind);
}

async function sweep({ open, onError }: OrdersSide, turn: Turn): Promise<void> {
  const { failed } = await open((db) => initiator.sweep(db));
  for (const { gid, error } of failed) onError(new Error(`the deadline of ${gid}`, { cause: error }));
  await eachOverdue(open, turn, (orderId) => open((db) => expire(db, orderId)));
}

/** Orders that are being undone are still `placed`, and overdue: a look is enough for them, also while the stock is down and they are many. */
async function expire(db: SqlExecutor, orderId: string): Promise<void> {
  const outcome = await initiator.outcome(db, orderId);
  if (outcome.kind === "open" && outcome.phase === "forward") await initiator.cancel(db, orderId, EXPIRED);
}

// Stock: a step, and what follows when all is decided.

const reserveUnits = purchase.participant("reserve", {
  action: async (db, { gid, payload }) => {
    if ((await reserve(db, gid, payload)) === "sold-out") throw new Refused("sold-out");
    return undefined;
  },
  compensate: (db, { gid }) => release(db, gid),
});

export async function stockHears(db: SqlExecutor, event: Envelope): Promise<void> {
  if (event.topic === TO_STOCK) {
    if (forStock(event).kind !== "order.given-back") throw notUnderstood(event);
    return takeUnitsBack(db, event.key);
  }
  await reserveUnits(db, event);
  // It comes after the hold, for it is because of the hold; and the inbox has it once. Units that are given back have been sold before,
  // so `given-back`, which comes under another topic, waits for this.
  if (event.topic === COMMITTED) await sell(db, event.key);
}

// Payment: a step whose answer comes from outside.

const pay = purchase.participant("pay", {
  action: async (db, { gid }) => {
    const state = await stateOf(db, gid);
    if (state === "captured") return undefined;
    if (state === "declined") throw new Refused("declined");
    // Nobody has answered, so neither do we.
    throw new Error(`the payment of ${gid} is ${state ?? "not there"}: nothing to answer with yet`);
  },
  compensate: (db, { gid }) => callOff(db, gid),
});

/**
 * `reserve.done` asks the provider, and waits in a row of its own. The barrier knows only of steps that have run, so for one that waits
 * `pay.undo` calls off the payment and the row by itself, before the barrier's tombstone; should it come first, nothing is asked.
 */
export async function paymentHears(db: SqlExecutor, event: Envelope, nowMs: number = Date.now()): Promise<void> {
  const orderId = event.key;
  switch (event.topic) {
    case TO_PAYMENT:
      if (forPayment(event).kind !== "order.given-back") throw notUnderstood(event);
      return giveMoneyBack(db, orderId);
    case RESERVED:
      await lockQuestion(db, orderId);
      if (await park(db, event, nowMs)) await bill(db, orderId, askedIn(event), "at-once");
      return;
    case PAY_UNDO:
      await lockQuestion(db, orderId);
      // The payment's row before the parked one: so does the provider's answer.
      await callOff(db, orderId);
      await callOffParked(db, orderId);
      return pay(db, event);
    case ROLLED_BACK:
      await callOff(db, orderId);
      return pay(db, event);
    default:
      return pay(db, event);
  }
}

/**
 * What the initiator was started with travels in every event that begins a step. Looked at as a whole: it is read again when the provider
 * has answered, and his answer must not fail because of it.
 */
function askedIn(event: Envelope): Bill {
  const { kind, step, input, results } = objectOf(event);
  if (kind !== "done" || step !== "reserve" || objectIn(results) === undefined) throw notUnderstood(event);
  return billIn(event, input);
}

const pruneSagas: Prune = (db, limit) => initiator.prune(db, { limit });

export const choreography: Mode = {
  name: "choreography",

  async orders(side) {
    const { open } = side;
    const turn = newTurn();
    return {
      at: receiving(side, "orders", ordersHear),
      beginIn: async (db, { orderId, sku, quantity, chunk, buyer, cents }) => void (await initiator.start(db, orderId, { sku, quantity, chunk, buyer, cents })),
      cancel: (orderId) => open(async (db) => void (await initiator.cancel(db, orderId, BUYER))),
      refund: beginRefundWith(open),
      sweep: () => sweep(side, turn),
      stop: pruning(open, [pruneInbox, pruneSagas], side),
    };
  },

  stock(side) {
    return { at: receiving(side, "stock", stockHears), stop: pruning(side.open, [pruneInbox, pruneBarrier], side) };
  },

  payment(side) {
    const { open, onError } = side;
    const table = once(() => makeParkingTable(open));
    table().catch(onError);
    const withTable: OpenTransaction = async (work) => {
      await table();
      return open(work);
    };
    return {
      at: receiving({ ...side, open: withTable }, "payment", paymentHears),
      settledIn: async (db, { orderId, outcome }) => {
        if (outcome === "authorised") return;
        await table();
        const question = await takeParked(db, orderId);
        if (question !== undefined) await pay(db, question);
      },
      stop: pruning(withTable, [pruneInbox, pruneBarrier, pruneParked], side),
    };
  },

  messages(addresses, secret) {
    const to = hearing(addresses, secret);
    // The stock alone says `reserve.done`.
    const fromOrders = pay.topics.filter((topic) => topic !== RESERVED);
    return {
      orders: [to.stock([...reserveUnits.topics, TO_STOCK]), to.payment([...fromOrders, TO_PAYMENT])],
      stock: [to.orders([...initiator.topics, TO_ORDERS]), to.payment([RESERVED])],
      payment: [to.orders([...initiator.topics, TO_ORDERS])],
    };
  },
};

/** What has succeeded is not done again; what has failed is. */
function once(work: () => Promise<void>): () => Promise<void> {
  let begun: Promise<void> | undefined;
  return () => {
    begun ??= work().catch((error: unknown) => {
      begun = undefined;
      throw error;
    });
    return begun;
  };
}
