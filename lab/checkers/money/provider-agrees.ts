import { checking } from "../findings.ts";
import { byOrder, orderOfCharge } from "../joins.ts";

/**
 * For each order: cents that the provider has captured and not given back = cents of its captured payment here; and the provider sets no
 * money aside for a payment that waits for none. Several charges of one order add up.
 */
export const providerAgrees = checking("provider-agrees", ["payments", "charges"], ({ payments, charges }, findings) => {
  const there = new Map<string, { captured: number; authorised: number }>();
  for (const charge of charges) {
    const orderId = orderOfCharge(charge);
    const sum = there.get(orderId) ?? { captured: 0, authorised: 0 };
    if (charge.state === "captured" || charge.state === "authorised") sum[charge.state] += charge.cents;
    there.set(orderId, sum);
  }
  const here = byOrder(payments);
  for (const orderId of new Set([...there.keys(), ...here.keys()])) {
    findings.looked();
    const payment = here.get(orderId);
    const { captured, authorised } = there.get(orderId) ?? { captured: 0, authorised: 0 };
    const ours = payment?.state === "captured" ? payment.cents : 0;
    // A refund that is due is known to be owed; that it is late, others say.
    const owed = payment?.state === "refund-due" && (captured === payment.cents || captured === 0);
    if (captured !== ours && !owed) {
      const kind = ours === 0 ? "captured-there-only" : captured === 0 ? "captured-here-only" : "another-amount";
      findings.add({ kind, key: orderId, cents: Math.abs(captured - ours), detail: `the provider has ${captured} cents, the payment here is ${payment === undefined ? "not there" : `${payment.state}, ${payment.cents} cents`}` });
    }
    if (authorised > 0 && payment?.state !== "authorised" && payment?.state !== "requested") {
      findings.add({ kind: "set-aside", key: orderId, cents: authorised, detail: `the provider sets ${authorised} cents aside, the payment here is ${payment?.state ?? "not there"}` });
    }
  }
});
