import { checking } from "../findings.ts";
import { cameToNothing, effectOn, effectsOf } from "../joins.ts";

/**
 * ¬ (an order is sold-out, declined, expired, cancelled, failed or never placed ∧ its payment is authorised or captured here, or captured
 * and not given back at the provider, ∨ its units are held or sold).
 */
export const neverPaidAndCancelled = checking("never-paid-and-cancelled", ["orders", "holds", "payments", "charges"], ({ orders, ...rest }, findings) => {
  const effects = effectsOf(rest);
  for (const { orderId, state, quantity, cents } of orders) {
    findings.looked();
    if (!cameToNothing(state)) continue;
    // Owed back is not kept.
    const effect = effects.payments.get(orderId)?.state === "refund-due" ? effectOn({ ...effects, captured: new Set() }, orderId) : effectOn(effects, orderId);
    if (effect !== undefined) findings.add({ kind: state, key: orderId, units: quantity, cents, detail: `${state}, and ${effect}` });
  }
});
