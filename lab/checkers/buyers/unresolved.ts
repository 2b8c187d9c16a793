import type { Operation, OrderRow } from "../checker.ts";
import { checking } from "../findings.ts";
import { byRequest, cameToNothing, effectOn, effectsOf, isFinal, requestKey } from "../joins.ts";

/**
 * For each request whose end its client did not know (`info`, and never accepted): the system has one answer. One order in a final
 * state is one; no order and no effect is one. Where the client asked again when all was over, he was told it: a no, if and only if
 * nothing was bought.
 */
export const unresolved = checking("unresolved", ["operations", "orders", "holds", "payments", "charges"], (known, findings) => {
  const effects = effectsOf(known);
  const rowsOf = Map.groupBy(known.orders.filter(({ requestId }) => requestId !== null), ({ sku, buyer, requestId }) => requestKey(sku, buyer, requestId));
  const rowOf = new Map(known.orders.map((order) => [order.orderId, order]));
  for (const [key, attempts] of byRequest(known)) {
    findings.looked();
    const [first] = attempts;
    if (first === undefined || !attempts.some(({ outcome }) => outcome === "info") || attempts.some(({ outcome }) => outcome === "accepted")) continue;
    const ids = idsOf(attempts, rowsOf.get(key) ?? []);
    const rows = [...ids].map((id) => rowOf.get(id)).filter((row) => row !== undefined);
    const open = rows.find(({ state }) => !isFinal(state));
    const effect = [...ids].filter((id) => !rowOf.has(id)).map((id) => effectOn(effects, id)).find((found) => found !== undefined);
    const settling = attempts.filter((attempt) => attempt.settling === true);
    const bought = rows.find(({ state }) => !cameToNothing(state));
    const wrong =
      rows.length > 1 ? { kind: "two-answers", detail: rows.map(({ orderId, state }) => `${orderId} is ${state}`).join(", ") }
      : open !== undefined ? { kind: "not-final", detail: `${open.orderId} is still ${open.state}` }
      : effect !== undefined ? { kind: "no-order", detail: `there is no order, and ${effect}` }
      : bought !== undefined && settling.some(({ outcome }) => outcome === "reject") ? { kind: "two-answers", detail: `told ${settling.at(-1)?.evidence}, and ${bought.orderId} is ${bought.state}` }
      : settling.length > 0 && settling.every(({ outcome }) => outcome === "info") ? { kind: "no-answer", detail: `asked again, and told ${settling.at(-1)?.evidence}` }
      : undefined;
    if (wrong !== undefined) findings.add({ ...wrong, key, units: first.quantity, atMs: first.completedMs });
  }
});

/** Those that the client was told with its unknown ends, and those that the orders have for the request. */
function idsOf(attempts: readonly Operation[], rows: readonly OrderRow[]): Set<string> {
  return new Set([...attempts.flatMap(({ orderId }) => (orderId === undefined ? [] : [orderId])), ...rows.map(({ orderId }) => orderId)]);
}
