/** What became of what the stranger saw. */
import type { Evidence } from "../../checkers/checker.ts";
import { seenThenUndone } from "../../measures/inconsistency.ts";
import { READ_KINDS, type ReadKind, type Reads } from "../../results/results.ts";

export interface Seen {
  readonly looks: number;
  readonly unanswered: number;
  readonly sightings: readonly { readonly kind: ReadKind; readonly orderId: string; readonly atMs: number }[];
}

/** States in which what was seen is still so in the end. A row that is gone is none of them: what a failover has forgotten was undone too. */
const STANDS: Readonly<Record<ReadKind, readonly string[]>> = {
  orderPaid: ["paid"],
  unitsSold: ["sold"],
  paymentCaptured: ["captured"],
  unitsHeld: ["held", "sold"],
  paymentAuthorised: ["authorised", "captured"],
};

/** @param evidence at rest; null where a table of it could not be read */
export function readsOf({ looks, unanswered, sightings }: Seen, { orders, holds, payments }: Pick<Evidence, "orders" | "holds" | "payments">): Reads | null {
  if (orders === null || holds === null || payments === null) return null;
  const states = (rows: readonly { readonly orderId: string; readonly state: string }[]): ReadonlyMap<string, string> => new Map(rows.map(({ orderId, state }) => [orderId, state]));
  const [order, hold, payment] = [states(orders), states(holds), states(payments)];
  const ends: Readonly<Record<ReadKind, ReadonlyMap<string, string>>> = { orderPaid: order, unitsSold: hold, paymentCaptured: payment, unitsHeld: hold, paymentAuthorised: payment };
  const kinds = READ_KINDS.map((kind) => {
    const seen = sightings.filter((sighting) => sighting.kind === kind).map(({ orderId, atMs }) => ({ key: orderId, atMs }));
    // No state comes twice, so what no longer stands was undone after it was seen, whenever that was.
    const undone = seen.filter(({ key }) => !STANDS[kind].includes(ends[kind].get(key) ?? "")).map(({ key }) => [key, Infinity] as const);
    return [kind, { seen: seen.length, undone: seenThenUndone(seen, new Map(undone)) }] as const;
  });
  return { looks, unanswered, kinds: Object.fromEntries(kinds) as Reads["kinds"] };
}
