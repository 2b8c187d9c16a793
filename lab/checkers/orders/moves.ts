import type { OrderState } from "../checker.ts";
import { checking } from "../findings.ts";
import { byOrder } from "../joins.ts";

/**
 * placed → sold-out | declined | expired | cancelled | failed | paid; paid → refunding → refunded; never-placed stands alone.
 * For each order: the states that its events name, each of them once, and then the state of its row, are a chain along this graph.
 * Events are compared by the graph and not by their times, since a server's clock may jump. Events that name no state are passed over.
 */
export const moves = checking("moves", ["orders", "events"], ({ orders, events }, findings) => {
  const rows = byOrder(orders);
  const been = new Map<string, OrderState[]>();
  for (const { orderId, what } of events) {
    if (!isState(what)) continue;
    const states = been.get(orderId);
    if (states === undefined) been.set(orderId, [what]);
    else states.push(what);
  }
  for (const [orderId, states] of been) {
    findings.looked();
    const order = rows.get(orderId);
    const wrong = wrongIn(states, order?.state);
    if (wrong !== undefined) findings.add({ ...wrong, key: orderId, units: order?.quantity ?? 0, cents: order?.cents ?? 0 });
  }
});

/** What each state may become, sooner or later. */
const LATER: Readonly<Record<OrderState, readonly OrderState[]>> = {
  placed: ["sold-out", "declined", "expired", "cancelled", "failed", "paid", "refunding", "refunded"],
  paid: ["refunding", "refunded"],
  refunding: ["refunded"],
  refunded: [], "sold-out": [], declined: [], expired: [], cancelled: [], failed: [], "never-placed": [],
};

const isState = (what: string): what is OrderState => Object.hasOwn(LATER, what);

function wrongIn(states: readonly OrderState[], now: OrderState | undefined): { readonly kind: string; readonly detail: string } | undefined {
  const chain = states.toSorted((one, other) => LATER[other].length - LATER[one].length);
  for (const [index, state] of chain.entries()) {
    const before = chain[index - 1];
    if (before === undefined) continue;
    if (before === state) return { kind: "twice", detail: `${state} more than once` };
    if (!LATER[before].includes(state)) return { kind: "no-such-move", detail: `both ${before} and ${state}` };
  }
  const last = chain.at(-1);
  if (last === undefined || last === now || (now !== undefined && LATER[last].includes(now))) return undefined;
  return { kind: "row-disagrees", detail: now === undefined ? `${last}, but there is no order` : `${last} once, its row is ${now}` };
}
