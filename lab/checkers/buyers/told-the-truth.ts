import type { OrderState } from "../checker.ts";
import { checking } from "../findings.ts";
import { byOrder } from "../joins.ts";

/**
 * For each order: a final state that its client saw is its row's state, and whatever he saw afterwards is the same; but for
 * paid → refunding → refunded. One finding an order.
 */
export const toldTheTruth = checking("told-the-truth", ["finals", "orders"], ({ finals, orders }, findings) => {
  const rows = byOrder(orders);
  for (const [orderId, told] of Map.groupBy(finals, (final) => final.orderId)) {
    findings.looked();
    const row = rows.get(orderId);
    let before: OrderState | undefined;
    let wrong: { readonly kind: string; readonly detail: string; readonly atMs: number } | undefined;
    for (const { state, atMs } of told.toSorted((one, other) => one.atMs - other.atMs)) {
      if (before !== undefined && !mayBecome(before, state)) wrong ??= { kind: "changed", detail: `${before} at first, then ${state}`, atMs };
      if (!mayBecome(state, row?.state ?? "never-placed")) wrong ??= { kind: "differs", detail: `called ${state}, ${row === undefined ? "and there is no such order" : `its row is ${row.state}`}`, atMs };
      before = state;
    }
    if (wrong !== undefined) findings.add({ ...wrong, key: orderId, units: row?.quantity ?? 0, cents: row?.cents ?? 0 });
  }
});

const GIVEN_BACK: readonly OrderState[] = ["paid", "refunding", "refunded"];

function mayBecome(told: OrderState, later: OrderState): boolean {
  return told === later || (GIVEN_BACK.includes(told) && GIVEN_BACK.indexOf(later) > GIVEN_BACK.indexOf(told));
}
