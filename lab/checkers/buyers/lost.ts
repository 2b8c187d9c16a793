import type { Evidence, Operation, OrderRow } from "../checker.ts";
import { checking } from "../findings.ts";
import { byOrder, isFinal, wasPaid } from "../joins.ts";

/**
 * For each order that was accepted, or that its client was told is paid: there is a row, it came to a final state, its client was told one when
 * he asked for it, what was called paid is paid or was given back since, and what is paid has its units and its money. One finding an order; in operations, units, cents and the
 * time of the answer.
 */
export const lost = checking("lost", ["operations", "finals", "orders", "holds", "payments"], (known, findings) => {
  const told = new Set(known.finals.map(({ orderId }) => orderId));
  const [rows, holds, payments] = [byOrder(known.orders), byOrder(known.holds), byOrder(known.payments)];
  for (const [orderId, promise] of promisesOf(known)) {
    findings.looked();
    const row = rows.get(orderId);
    const whole = holds.get(orderId)?.state === "sold" && payments.get(orderId)?.state === "captured";
    const broken = brokenIn(promise, row, whole) ?? (known.historyIsWhole && !told.has(orderId) ? untold(row) : undefined);
    if (broken === undefined) continue;
    const units = row?.quantity ?? promise.operation?.quantity ?? 0;
    findings.add({ ...broken, key: orderId, units, cents: row?.cents ?? units * priceOf(known, promise.operation), atMs: promise.atMs });
  }
});

interface Promised {
  readonly operation?: Operation;
  readonly paid: boolean;
  readonly atMs: number;
}

function promisesOf({ operations, finals }: { readonly operations: readonly Operation[]; readonly finals: NonNullable<Evidence["finals"]> }): Map<string, Promised> {
  const promises = new Map<string, Promised>();
  for (const operation of operations) {
    const { outcome, orderId, completedMs } = operation;
    // An acceptance without an id is a promise that nobody can ask about.
    const key = orderId ?? `no id for ${operation.buyer} ${operation.requestId}`;
    if (outcome === "accepted" && !promises.has(key)) promises.set(key, { operation, paid: false, atMs: completedMs });
  }
  for (const { orderId, state, atMs } of finals) {
    const promise = promises.get(orderId);
    if (state === "paid" && promise?.paid !== true) promises.set(orderId, { atMs, ...promise, paid: true });
  }
  return promises;
}

function brokenIn({ paid }: Promised, row: OrderRow | undefined, whole: boolean): { readonly kind: string; readonly detail: string } | undefined {
  if (row === undefined || row.state === "never-placed") return { kind: "no-order", detail: `it was ${paid ? "called paid" : "accepted"}, and there is no such order` };
  if (!isFinal(row.state)) return { kind: "never-final", detail: `it was accepted, and is still ${row.state}` };
  if (paid && !wasPaid(row.state)) return { kind: "unpaid", detail: `it was called paid, and is ${row.state}` };
  if (paid && row.state === "paid" && !whole) return { kind: "without-effect", detail: "it was called paid, and has not both units and payment" };
  return undefined;
}

function untold(row: OrderRow | undefined): { readonly kind: string; readonly detail: string } {
  return { kind: "no-answer", detail: `it is ${row?.state}, and whoever asked for it was never told so` };
}

function priceOf({ sales }: Evidence, operation: Operation | undefined): number {
  const found = sales?.find(({ sku }) => sku === operation?.sku) ?? (sales?.length === 1 ? sales[0] : undefined);
  return found?.cents ?? 0;
}
