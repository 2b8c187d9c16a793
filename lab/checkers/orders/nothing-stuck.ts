import type { Evidence } from "../checker.ts";
import { checking } from "../findings.ts";
import type { Findings, Known } from "../findings.ts";
import { isFinal } from "../joins.ts";

/**
 * At rest: no order placed or refunding, no hold held, no payment with an errand or short of its end (one finding an order), no open
 * transaction, no message waiting, and no chunk but those of gateways that live, whose rest is noted as `leasedUnits`.
 */
export const nothingStuck = checking("nothing-stuck", ["orders", "holds", "payments", "chunks", "journals", "mailboxes"], (known, findings) => {
  ordersAtRest(known, findings);
  for (const { id, gateway, leased, reserved, returned, state } of known.chunks) {
    findings.looked();
    const rest = leased - reserved - returned;
    if (state === "closed") continue;
    if (known.livingGateways.includes(gateway)) findings.note("leasedUnits", rest);
    else findings.add({ kind: "chunk", key: id, units: rest, detail: `${state}, of ${gateway}, which is no more` });
  }
  for (const { database, open, parked } of known.journals) {
    findings.looked();
    findings.add({ kind: "transaction", key: database, times: open, detail: `${open} transactions have not ended, ${parked} of them are parked` });
  }
  for (const { database, subscription, waiting, parked } of known.mailboxes) {
    findings.looked();
    findings.add({ kind: "message", key: `${database}: ${subscription}`, times: waiting + parked, detail: `${waiting} messages wait, ${parked} are parked` });
  }
});

interface Open {
  readonly says: string[];
  units: number;
  cents: number;
}

function ordersAtRest({ orders, holds, payments }: Known<"orders" | "holds" | "payments"> & Evidence, findings: Findings): void {
  const waiting = new Map<string, Open>();
  const waits = (orderId: string, says: string, units: number | null, cents: number | null): void => {
    const open = waiting.get(orderId) ?? { says: [], units: 0, cents: 0 };
    open.says.push(says);
    open.units = Math.max(open.units, units ?? 0);
    open.cents = Math.max(open.cents, cents ?? 0);
    waiting.set(orderId, open);
  };
  findings.looked(orders.length + holds.length + payments.length);
  for (const { orderId, state, quantity, cents } of orders) if (!isFinal(state)) waits(orderId, `the order is ${state}`, quantity, cents);
  for (const { orderId, state, quantity } of holds) if (state === "held") waits(orderId, "its units are held", quantity, null);
  for (const { orderId, state, errand, cents } of payments) {
    const short = state === "requested" || state === "authorised" || state === "refund-due";
    if (short || errand !== null) waits(orderId, `its payment is ${state}${errand === null ? "" : ` and waits to ${errand}`}`, null, cents);
  }
  for (const [key, { says, units, cents }] of waiting) findings.add({ kind: "order", key, units, cents, detail: says.join(", ") });
}
