/** What a sale's history and its rows say together, in the terms of the measures and on the history's clock. */
import type { Evidence, HoldRow, OrderRow, PaymentRow, TransactionRow } from "../../checkers/checker.ts";
import type { History } from "../../history/reader.ts";
import type { Ended } from "../../measures/compensation.ts";
import type { Served } from "../../measures/goodput.ts";
import type { Trace } from "../../measures/inconsistency.ts";
import type { Offered } from "../../measures/latency.ts";
import type { Transaction } from "../../measures/transactions.ts";

export interface Step {
  readonly atMs: number;
  readonly where: string;
  readonly what: string;
}

export interface Business {
  readonly served: readonly Served[];
  readonly offered: readonly Offered[];
  readonly transactions: readonly Transaction[];
  readonly traces: readonly Trace[];
  readonly ended: readonly Ended[];
  /** By the order's id, in the order of their times. */
  readonly steps: ReadonlyMap<string, readonly Step[]>;
}

const PAYMENT_OPEN: readonly PaymentRow["state"][] = ["requested", "authorised", "refund-due"];
const ORDER_OPEN: readonly OrderRow["state"][] = ["placed", "refunding"];
const PAYMENT_EFFECT: readonly PaymentRow["state"][] = ["authorised", "captured", "voided", "refund-due", "refunded"];
const PAYMENT_UNDONE: readonly PaymentRow["state"][] = ["voided", "refunded"];
const HOLD_UNDONE = ["released", "restocked"];

/**
 * @param evidence of this sale only
 * @param rowTimes `skewed`: the database's clock was wrong for a while. What can be timed by the history alone then is, the rest is left out.
 */
export function businessOf(history: History, evidence: Evidence, sku: string, rowTimes: "true" | "skewed" = "true"): Business {
  const unixMs = history.header?.unixMs ?? 0;
  const rows = (evidence.orders ?? []).filter((row) => row.sku === sku);
  const payments = new Map((evidence.payments ?? []).map((payment) => [payment.orderId, payment]));
  const isTrue = rowTimes === "true";
  const steps = isTrue ? stepsOf(evidence, unixMs) : new Map<string, Step[]>();
  const whole = wholeOf(rows, payments, evidence);
  return {
    served: servedIn(history),
    offered: history.operations
      .filter(({ op }) => op === "purchase")
      .map(({ s, c, outcome }) => ({ intentMs: s, doneMs: c, answered: outcome === "ok" || outcome === "accepted" || outcome === "reject" })),
    transactions: isTrue
      ? whole.map((each) => ({ key: each.row.orderId, openedMs: each.row.placedAtMs - unixMs, endedMs: endOf(each, unixMs) }))
      : asBuyersSaw(history, whole.map((each) => ({ key: each.row.orderId, ended: endOf(each, unixMs) !== null }))),
    traces: !isTrue ? [] : whole.map((each) => ({
      key: each.row.orderId,
      effectsMs: (steps.get(each.row.orderId) ?? []).map(({ atMs }) => atMs),
      final: endOf(each, unixMs) !== null,
    })),
    ended: endedIn(whole, history),
    steps,
  };
}

/** When an order was first asked for, as far as its buyer knows of it. A request that was sent again counts from the first time. */
function sentIn({ operations }: History): (orderId: string) => number | undefined {
  const sentMs = new Map<string, number>();
  const requestOf = new Map<string, string>();
  for (const { a, key, intent } of operations) {
    if (!key.startsWith("request:")) requestOf.set(key, intent.requestId);
    if (a !== null) sentMs.set(intent.requestId, Math.min(a, sentMs.get(intent.requestId) ?? a));
  }
  return (orderId) => sentMs.get(requestOf.get(orderId) ?? "");
}

/** Paid, as the client saw it. */
function servedIn(history: History): Served[] {
  const sentMs = sentIn(history);
  return history.finals.flatMap(({ orderId, state, at }) => {
    const sent = sentMs(orderId);
    return state === "paid" && sent !== undefined ? [{ sentMs: sent, okMs: at }] : [];
  });
}

/** From the first request to the final answer. One of which the buyer saw only a part cannot be timed, and one that has not ended is open. */
function asBuyersSaw(history: History, orders: readonly { readonly key: string; readonly ended: boolean }[]): Transaction[] {
  const sentMs = sentIn(history);
  const finalMs = new Map(history.finals.map(({ orderId, at }) => [orderId, at]));
  return orders.flatMap(({ key, ended }) => {
    const openedMs = sentMs(key);
    const endedMs = ended ? finalMs.get(key) : null;
    return openedMs === undefined || endedMs === undefined ? [] : [{ key, openedMs, endedMs }];
  });
}

/** An order with all that it has brought about. */
interface Whole {
  readonly row: OrderRow;
  readonly payment: PaymentRow | undefined;
  readonly hold: HoldRow | undefined;
  /** Undefined: the stock has never moved for it. */
  readonly movedAtMs: number | undefined;
  /** Of the coordinator or the choreography; a refund has one of its own. */
  readonly transactions: readonly TransactionRow[];
}

function wholeOf(rows: readonly OrderRow[], payments: ReadonlyMap<string, PaymentRow>, { holds, movements, transactions }: Evidence): readonly Whole[] {
  const held = new Map((holds ?? []).map((hold) => [hold.orderId, hold]));
  const movedAtMs = new Map<string, number>();
  for (const { reference, atMs } of movements ?? []) movedAtMs.set(reference, Math.max(atMs, movedAtMs.get(reference) ?? atMs));
  const byOrder = Map.groupBy(transactions ?? [], ({ gid }) => gid.replace(/^refund-/, ""));
  return rows.map((row) => ({
    row,
    payment: payments.get(row.orderId),
    hold: held.get(row.orderId),
    movedAtMs: movedAtMs.get(row.orderId),
    transactions: byOrder.get(row.orderId) ?? [],
  }));
}

/** When order, stock and payment had all come to their last state, and whoever saw to that knew it; null while one of them has not. */
function endOf({ row, payment, hold, movedAtMs, transactions }: Whole, unixMs: number): number | null {
  if (row.endedAtMs === null || ORDER_OPEN.includes(row.state)) return null;
  if (payment !== undefined && (payment.errand !== null || PAYMENT_OPEN.includes(payment.state))) return null;
  if (hold?.state === "held") return null;
  const ends = transactions.map(({ endedAtMs }) => endedAtMs);
  if (!ends.every((atMs) => atMs !== null)) return null;
  return Math.max(row.endedAtMs, payment?.changedAtMs ?? 0, movedAtMs ?? 0, ...ends) - unixMs;
}

function stepsOf({ events, payments, movements }: Evidence, unixMs: number): Map<string, Step[]> {
  const steps = new Map<string, Step[]>();
  const add = (key: string, step: Step): void => {
    const known = steps.get(key);
    if (known === undefined) steps.set(key, [step]);
    else known.push(step);
  };
  for (const { orderId, atMs, what } of events ?? []) add(orderId, { atMs: atMs - unixMs, where: "orders", what });
  for (const { orderId, changedAtMs, state } of payments ?? []) add(orderId, { atMs: changedAtMs - unixMs, where: "payment", what: state });
  for (const { reference, atMs, source, target } of movements ?? []) if (steps.has(reference)) add(reference, { atMs: atMs - unixMs, where: "stock", what: `${source} to ${target}` });
  for (const each of steps.values()) each.sort((one, other) => one.atMs - other.atMs);
  return steps;
}

function endedIn(whole: readonly Whole[], { finals }: History): Ended[] {
  const toldPaid = new Set(finals.filter(({ state }) => state === "paid").map(({ orderId }) => orderId));
  return whole.map(({ row, payment, hold }) => {
    const paymentEffect = payment !== undefined && PAYMENT_EFFECT.includes(payment.state);
    return {
      key: row.orderId,
      effects: Number(hold !== undefined) + Number(paymentEffect),
      undone: Number(hold !== undefined && HOLD_UNDONE.includes(hold.state)) + Number(payment !== undefined && PAYMENT_UNDONE.includes(payment.state)),
      // What is still open has not been decided; it is stuck by its own name.
      decision: row.state === "paid" || row.state === "placed" ? "yes" : "no",
      clientWasToldPaid: toldPaid.has(row.orderId),
    };
  });
}
