import { violationsOf } from "./invariants.ts";
import type { Heard } from "./invariants.ts";
import type { Ask, Deliver, Ledger, LedgerOp } from "./ledger.ts";

/** When the business refuses the forward op, if the barrier asks it. `first`: funds arrive between two attempts. */
export type Refusing = "never" | "first" | "always";
export const refusing: readonly Refusing[] = ["never", "first", "always"];

/** Every order in which each op comes 0 to `times` times, but not the empty one. */
export function ordersOf(ops: readonly LedgerOp[], times: number): LedgerOp[][] {
  const longer = (order: readonly LedgerOp[]): LedgerOp[][] =>
    ops
      .filter((op) => order.filter((earlier) => earlier === op).length < times)
      .flatMap((op) => [[...order, op], ...longer([...order, op])]);
  return longer([]);
}

export interface Findings {
  readonly orders: number;
  readonly deliveries: number;
  readonly violations: readonly string[];
}

/** Delivers every order to a branch of its own and judges what is left; four orders at a time. */
export async function explore(name: string, ledger: Ledger, deliver: Deliver, orders: readonly (readonly LedgerOp[])[]): Promise<Findings> {
  const cases = refusing.flatMap((mode) => orders.map((order) => ({ mode, order })));
  const violations: string[] = [];
  let deliveries = 0;
  const waiting = cases.entries();
  const worker = async (): Promise<void> => {
    for (const [index, { mode, order }] of waiting) {
      const gid = `${name}-${index}`;
      const heard = await deliverAll(order.map((op, at) => askOf(gid, op, mode, order.indexOf(op) === at)), deliver);
      deliveries += heard.length;
      const unknown = heard.flatMap(({ told }) => (told.kind === "unknown" ? [`unknown without a fault: ${told.error}`] : []));
      const found = [...unknown, ...violationsOf(heard, await ledger.effectsOf(gid))];
      violations.push(...found.map((violation) => `${order.join(" ")} (business refuses: ${mode}): ${violation}`));
    }
  };
  await Promise.all([worker(), worker(), worker(), worker()]);
  return { orders: cases.length, deliveries, violations };
}

function askOf(gid: string, op: LedgerOp, mode: Refusing, first: boolean): Ask {
  const forward = op === "action" || op === "try";
  return { gid, branch: "wallet", op, refuse: forward && (mode === "always" || (mode === "first" && first)) };
}

async function deliverAll(asks: readonly Ask[], deliver: Deliver): Promise<Heard[]> {
  const heard: Heard[] = [];
  for (const ask of asks) heard.push({ op: ask.op, told: await deliver(ask) });
  return heard;
}
