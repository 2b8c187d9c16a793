/** How rows of different databases, and what the client saw, find each other. */
import type { Charge, Evidence, HoldRow, Operation, OrderState, PaymentRow } from "./checker.ts";

/** Nothing more comes of an order in one of these. */
export const isFinal = (state: OrderState): boolean => state !== "placed" && state !== "refunding";

/** The buyer has, or had until he gave them back, the units. */
export const wasPaid = (state: OrderState): boolean => state === "paid" || state === "refunding" || state === "refunded";

/** Ended without a purchase: neither units nor money may have changed hands. */
export const cameToNothing = (state: OrderState): boolean => isFinal(state) && !wasPaid(state);

export function byOrder<Row extends { readonly orderId: string }>(rows: readonly Row[]): Map<string, Row> {
  return new Map(rows.map((row) => [row.orderId, row]));
}

/** Ids of orders hold neither `:` nor `/`. */
export const orderOfCharge = ({ key }: Charge): string => /^[^:/]*/.exec(key)?.[0] ?? key;

export const requestKey = (sku: string | null, buyer: string | null, requestId: string | null): string => JSON.stringify([sku, buyer, requestId]);

/** What names a request: the same one however often it is sent. */
export function requestKeys({ sales }: Pick<Evidence, "sales">): (operation: Operation) => string {
  const only = sales?.length === 1 ? (sales[0]?.sku ?? null) : null;
  return ({ sku, buyer, requestId }) => requestKey(sku ?? only, buyer, requestId);
}

/** Each request's attempts, in the order of the history. */
export function byRequest(evidence: Pick<Evidence, "sales"> & { readonly operations: readonly Operation[] }): Map<string, Operation[]> {
  return Map.groupBy(evidence.operations, requestKeys(evidence));
}

export interface Effects {
  readonly holds: Map<string, HoldRow>;
  readonly payments: Map<string, PaymentRow>;
  /** Orders for which the provider has money. */
  readonly captured: ReadonlySet<string>;
}

export function effectsOf({ holds, payments, charges }: { readonly holds: readonly HoldRow[]; readonly payments: readonly PaymentRow[]; readonly charges: readonly Charge[] }): Effects {
  return { holds: byOrder(holds), payments: byOrder(payments), captured: new Set(charges.filter(({ state }) => state === "captured").map(orderOfCharge)) };
}

/** Units or money of this order that are not where they were before it, in words; undefined if all is as it was. */
export function effectOn({ holds, payments, captured }: Effects, orderId: string): string | undefined {
  const hold = holds.get(orderId)?.state;
  const payment = payments.get(orderId)?.state;
  const found = [
    hold === "held" || hold === "sold" ? `its units are ${hold}` : "",
    payment === "captured" || payment === "authorised" ? `its payment is ${payment}` : "",
    captured.has(orderId) && payment !== "captured" ? "the provider has its money" : "",
  ].filter((text) => text !== "");
  return found.length === 0 ? undefined : found.join(", ");
}
