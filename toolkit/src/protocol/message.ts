/**
 * What becomes of a message after each try. Pure: the relay does what it says.
 *
 *     pending ──done──▶ delivered
 *        │ └─refused──▶ parked (its key waits with it) or skipped (its key goes on)
 *     unknown ──▶ waiting ──done──▶ delivered
 *                    │ └─ tries spent: late (tried on, at the cap, and visible), or parked where the policy says so
 */
import { retryDelayMs, type RetryPolicy } from "./retry.ts";

export interface DeliveryPolicy {
  readonly retry: RetryPolicy;
  /** When the tries are spent and nobody has answered: go on at the cap, or wait for a person. */
  readonly exhausted: "late" | "park";
  /** What a parked message does to the later ones of its key. */
  readonly onPark: "hold" | "skip";
}

/** What a sink answered. Unknown is never read as refused. */
export type Receipt =
  | { readonly kind: "done" }
  | { readonly kind: "refused"; readonly code: string; readonly error: string }
  | { readonly kind: "unknown"; readonly error: string };

export type AfterTry =
  | { readonly kind: "delivered" }
  | { readonly kind: "again"; readonly state: "waiting" | "late"; readonly attempts: number; readonly delayMs: number; readonly error: string }
  | { readonly kind: "given-up"; readonly state: "parked" | "skipped"; readonly attempts: number; readonly error: string };

/** `attempts`: how many came before this try. `random` in [0, 1). */
export function afterTry(policy: DeliveryPolicy, attempts: number, receipt: Receipt, random: number): AfterTry {
  const tried = attempts + 1;
  const givenUp = { kind: "given-up", state: policy.onPark === "hold" ? "parked" : "skipped", attempts: tried } as const;
  switch (receipt.kind) {
    case "done":
      return { kind: "delivered" };
    case "refused":
      return { ...givenUp, error: `${receipt.code}: ${receipt.error}` };
    case "unknown": {
      const spent = tried >= policy.retry.maxAttempts;
      if (spent && policy.exhausted === "park") return { ...givenUp, error: receipt.error };
      return { kind: "again", state: spent ? "late" : "waiting", attempts: tried, delayMs: retryDelayMs(policy.retry, tried, random), error: receipt.error };
    }
  }
}
