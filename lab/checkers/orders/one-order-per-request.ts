import { checking } from "../findings.ts";
import { requestKey, requestKeys } from "../joins.ts";

/** For each request (sale, buyer, request id), in the orders and in the answers: at most one order id. */
export const oneOrderPerRequest = checking("one-order-per-request", ["operations", "orders"], ({ sales, operations, orders }, findings) => {
  const keyOf = requestKeys({ sales });
  const orderOf = new Map<string, string>();
  const see = (key: string, orderId: string, units: number | null, where: string): void => {
    const other = orderOf.get(key);
    if (other === undefined) {
      findings.looked();
      orderOf.set(key, orderId);
    } else if (other !== orderId) findings.add({ kind: "two-orders", key, units, detail: `${other} and, in ${where}, ${orderId}` });
  };
  for (const { orderId, sku, buyer, requestId, quantity } of orders) if (requestId !== null) see(requestKey(sku, buyer, requestId), orderId, quantity, "a row");
  const seen = new Set<string>();
  for (const operation of operations) {
    if (operation.orderId === undefined) continue;
    const key = keyOf(operation);
    const pair = `${key} ${operation.orderId}`;
    if (!seen.has(pair)) see(key, operation.orderId, operation.quantity, "an answer");
    seen.add(pair);
  }
});
