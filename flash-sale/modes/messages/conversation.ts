/**
 * What orders, stock and payment tell each other in their outboxes. The key is the order's id. Everything that one of them has to hear about
 * an order comes under one topic, because a relay keeps the order of one topic and key, not of one key across topics: with a topic for each
 * kind of event, `order.closed` could overtake `order.placed`.
 */
import { Refused } from "tripact";
import type { SqlExecutor } from "tripact/barrier";
import type { Envelope } from "tripact/events";
import { send } from "tripact/outbox";
import type { Bill, Reservation } from "../../contracts.ts";

export const TO_ORDERS = "to-orders";
export const TO_STOCK = "to-stock";
export const TO_PAYMENT = "to-payment";

/** `given-back`: the buyer of a paid order gives it back. */
export type ForStock = { readonly kind: "order.placed"; readonly reservation: Reservation } | { readonly kind: "order.paid" | "order.closed" | "order.given-back" };
export type ForPayment = { readonly kind: "payment.requested"; readonly bill: Bill } | { readonly kind: "order.closed" | "order.given-back" };
export type ForOrders = { readonly kind: "stock.held" | "stock.refused" | "stock.restocked" | "payment.captured" | "payment.declined" | "payment.called-off" };

export async function tellStock(db: SqlExecutor, orderId: string, news: ForStock): Promise<void> {
  await send(db, { topic: TO_STOCK, key: orderId, payload: news });
}

export async function tellPayment(db: SqlExecutor, orderId: string, news: ForPayment): Promise<void> {
  await send(db, { topic: TO_PAYMENT, key: orderId, payload: news });
}

export async function tellOrders(db: SqlExecutor, orderId: string, news: ForOrders): Promise<void> {
  await send(db, { topic: TO_ORDERS, key: orderId, payload: news });
}

export function forStock(event: Envelope): ForStock {
  const said = readingOf(event, TO_STOCK);
  switch (said.kind) {
    case "order.placed":
      return { kind: said.kind, reservation: reservationIn(event, said["reservation"]) };
    case "order.paid":
    case "order.closed":
    case "order.given-back":
      return { kind: said.kind };
    default:
      throw notUnderstood(event);
  }
}

export function forPayment(event: Envelope): ForPayment {
  const said = readingOf(event, TO_PAYMENT);
  switch (said.kind) {
    case "payment.requested":
      return { kind: said.kind, bill: billIn(event, said["bill"]) };
    case "order.closed":
    case "order.given-back":
      return { kind: said.kind };
    default:
      throw notUnderstood(event);
  }
}

export function forOrders(event: Envelope): ForOrders {
  const said = readingOf(event, TO_ORDERS);
  switch (said.kind) {
    case "stock.held":
    case "stock.refused":
    case "stock.restocked":
    case "payment.captured":
    case "payment.declined":
    case "payment.called-off":
      return { kind: said.kind };
    default:
      throw notUnderstood(event);
  }
}

/** Tomorrow it will be no clearer: it parks at its sender, and a person sees it. */
export function notUnderstood({ topic, id }: Envelope): Refused {
  return new Refused("not-understood", { topic, id });
}

function readingOf(event: Envelope, topic: string): Readonly<Record<string, unknown>> & { readonly kind: string } {
  const said = objectOf(event);
  const { kind } = said;
  if (event.topic !== topic || typeof kind !== "string") throw notUnderstood(event);
  return { ...said, kind };
}

/** An event's payload, if it is an object. */
export function objectOf(event: Envelope): Readonly<Record<string, unknown>> {
  const said = objectIn(parsed(event));
  if (said === undefined) throw notUnderstood(event);
  return said;
}

function reservationIn(event: Envelope, given: unknown): Reservation {
  const { sku, quantity, chunk } = objectIn(given) ?? {};
  if (typeof sku !== "string" || !isCount(quantity) || quantity === 0 || !(chunk === null || typeof chunk === "string")) throw notUnderstood(event);
  return { sku, quantity, chunk };
}

export function billIn(event: Envelope, given: unknown): Bill {
  const { buyer, cents } = objectIn(given) ?? {};
  if (typeof buyer !== "string" || !isCount(cents)) throw notUnderstood(event);
  return { buyer, cents };
}

function parsed(event: Envelope): unknown {
  try {
    return JSON.parse(event.payload);
  } catch {
    throw notUnderstood(event);
  }
}

export function objectIn(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
