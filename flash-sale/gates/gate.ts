/**
 * The port of a gate: it promises at most as many units as there are, fast, before the ledger decides. A gate may be wrong to the careful
 * side (sold out although a unit is about to come back), never to the other.
 */

/** Units promised to one placement. Nobody else is promised them until they are given back or the gate's hold on them ends. */
export interface Admission {
  readonly sku: string;
  /** Which part of the stock they come from, where a gate has such parts. The order carries it. */
  readonly chunk: string | null;
  readonly units: number;
}

/** `overloaded`: the gate cannot know right now; nothing has happened. */
export type Admitted = { readonly kind: "admitted"; readonly admission: Admission } | { readonly kind: "sold-out" } | { readonly kind: "overloaded"; readonly retryAfterMs: number };

export interface Gate {
  /** At once where memory can answer, which is what keeps a sold-out answer cheap. Never rejects. */
  admit(sku: string, units: number): Admitted | Promise<Admitted>;
  /** The placement surely did not happen, and never will. To be called at most once for an admission. */
  giveBack(admission: Admission): void;
  /** About how many units of all the stock can still be promised; undefined where nobody knows. Never rejects. */
  remaining(sku: string): Promise<number | undefined>;
  /** Admits no more, and lets go of what is not promised. */
  stop(): Promise<void>;
}
