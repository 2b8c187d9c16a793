import type { Evidence } from "../checker.ts";
import { checking } from "../findings.ts";
import type { Findings, Known } from "../findings.ts";
import { orderOfCharge } from "../joins.ts";

/**
 * For each order: at most one row, one hold, one payment; at most one charge that took money; at most one posting on either side of an
 * entry; and units that came to `held`, came to `sold` or left either ≤ its quantity.
 */
export const duplicated = checking("duplicated", ["orders", "holds", "movements", "payments", "postings", "charges"], (known, findings) => {
  findings.looked(known.orders.length + known.holds.length + known.payments.length + known.postings.length + known.charges.length);
  const twice = <Row>(kind: string, rows: readonly Row[], keyOf: (row: Row) => string, about: (row: Row) => { readonly key: string; readonly units?: number | null; readonly cents?: number }): void => {
    const seen = new Set<string>();
    for (const row of rows) {
      const key = keyOf(row);
      if (seen.has(key)) findings.add({ kind, detail: `a second ${kind}`, ...about(row) });
      seen.add(key);
    }
  };
  twice("order", known.orders, ({ orderId }) => orderId, ({ orderId, quantity }) => ({ key: orderId, units: quantity }));
  twice("hold", known.holds, ({ orderId }) => orderId, ({ orderId, quantity }) => ({ key: orderId, units: quantity }));
  twice("payment", known.payments, ({ orderId }) => orderId, ({ orderId, cents }) => ({ key: orderId, cents }));
  twice("charge", known.charges.filter(({ state }) => state === "captured" || state === "refunded"), orderOfCharge, (charge) => ({ key: orderOfCharge(charge), cents: charge.cents }));
  const side = (account: string): string => (account.startsWith("buyer:") ? "buyer" : "shop");
  twice("posting", known.postings, ({ orderId, entry, account }) => `${orderId} ${entry} ${side(account)}`, ({ orderId, cents }) => ({ key: orderId, cents: Math.abs(cents) }));
  movedTwice(known, findings);
});

/** A movement that refers to something else than an order, a chunk for example, finds no hold and is passed over. */
function movedTwice({ holds, movements }: Known<"holds" | "movements"> & Evidence, findings: Findings): void {
  const holdOf = new Map(holds.map((hold) => [hold.orderId, hold.quantity]));
  const moved = new Map<string, { orderId: string; way: string; units: number }>();
  for (const { reference, source, target, units } of movements) {
    if (!holdOf.has(reference)) continue;
    for (const way of [`into ${target}`, `out of ${source}`]) {
      if (!way.endsWith("held") && !way.endsWith("sold")) continue;
      const key = `${reference} ${way}`;
      const sum = moved.get(key) ?? { orderId: reference, way, units: 0 };
      sum.units += units;
      moved.set(key, sum);
    }
  }
  for (const { orderId, way, units } of moved.values()) {
    const quantity = holdOf.get(orderId) ?? 0;
    if (units > quantity) findings.add({ kind: "movement", key: orderId, units: units - quantity, detail: `${units} units of ${quantity} went ${way}` });
  }
}
