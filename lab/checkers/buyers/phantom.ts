import { checking } from "../findings.ts";
import { byRequest, effectOn, effectsOf, orderOfCharge, requestKey } from "../joins.ts";

/**
 * Each order was asked for, by a request that was accepted or whose end its client does not know; each effect in stock or payment is of
 * an order that there is.
 */
export const phantom = checking("phantom", ["operations", "orders", "holds", "payments", "charges"], (known, findings) => {
  const requests = byRequest(known);
  const rows = new Set<string>();
  for (const { orderId, sku, buyer, requestId, quantity, cents, state } of known.orders) {
    rows.add(orderId);
    findings.looked();
    if (state === "never-placed") continue;
    const attempts = requests.get(requestKey(sku, buyer, requestId));
    if (attempts === undefined) {
      // The line that asked for it may be one of those that are missing.
      if (known.historyIsWhole) findings.add({ kind: "not-asked", key: orderId, units: quantity, cents, detail: `${buyer} never sent ${requestId}` });
      else findings.note("notInHistory", 1);
    } else if (attempts.every(({ outcome }) => outcome === "reject" || outcome === "fail")) {
      findings.add({ kind: "after-a-no", key: orderId, units: quantity, cents, detail: `${state}, though its client was told ${attempts.at(-1)?.evidence}` });
    }
  }
  const effects = effectsOf(known);
  for (const orderId of new Set([...effects.holds.keys(), ...effects.payments.keys(), ...known.charges.map(orderOfCharge)])) {
    if (rows.has(orderId)) continue;
    findings.looked();
    const effect = effectOn(effects, orderId);
    if (effect !== undefined) findings.add({ kind: "no-order", key: orderId, units: effects.holds.get(orderId)?.quantity, cents: effects.payments.get(orderId)?.cents, detail: `there is no such order, and ${effect}` });
  }
});
