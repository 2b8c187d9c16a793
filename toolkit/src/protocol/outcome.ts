import { textOf, TripactError } from "./errors.ts";
import type { Json } from "./json.ts";

/**
 * What a call can end in. Three outcomes (done, refused, unknown) and three answers that are not outcomes: `pending` (not yet),
 * `key-reused` (the key was used with another payload) and `pause` (a person has to look). Unknown is never read as refused.
 */
export type Answer =
  | { readonly kind: "done"; readonly result?: Json }
  | { readonly kind: "refused"; readonly code: string; readonly details?: Json }
  | { readonly kind: "unknown"; readonly code: string; readonly error: string }
  | { readonly kind: "pending"; readonly retryAfterMs: number }
  | { readonly kind: "key-reused"; readonly detail: string }
  | { readonly kind: "pause"; readonly reason: string };

/**
 * What is asked of a branch. `compensate` undoes a saga's `action`; `cancel` undoes a `try`. `wake` ends a timer, and never leaves the
 * coordinator. `forget` is no part of any transaction: it tells a participant, in batches, which gids have ended for good.
 */
export type Op = "action" | "compensate" | "try" | "confirm" | "cancel" | "wake" | "forget";

/** `barrier`: a refusal is recorded there, so it surely did not happen. `unguarded`: only the first, only attempt's refusal is sure. */
export type Guard = "barrier" | "unguarded";

/** The business no. Throw it from an op: the transaction will not ask again, and rolls back unless the flow catches it. */
export class Refused extends Error {
  readonly code: string;
  readonly details: Json | undefined;

  constructor(code: string, details?: Json) {
    super(`refused: ${code}`);
    this.name = "Refused";
    this.code = code;
    this.details = details;
  }
}

/** "Not yet": ask again after `retryAfterMs`, or when `complete(gid, branch, …)` brings the answer. Uses up no attempts. */
export class Pending extends Error {
  readonly retryAfterMs: number;

  constructor({ retryAfterMs = 1_000 }: { readonly retryAfterMs?: number } = {}) {
    super(`pending: ask again in ${retryAfterMs} ms`);
    this.name = "Pending";
    this.retryAfterMs = retryAfterMs;
  }
}

/** Stop here and wait for a person: the branch is parked with this reason. */
export class Pause extends Error {
  readonly reason: string;

  constructor(reason: string) {
    super(`pause: ${reason}`);
    this.name = "Pause";
    this.reason = reason;
  }
}

/** What an op that threw has answered. Only what says so is a refusal; everything else may or may not have happened. */
export function answerFromThrown(error: unknown): Answer {
  if (error instanceof Refused) {
    return { kind: "refused", code: error.code, ...(error.details === undefined ? {} : { details: error.details }) };
  }
  if (error instanceof Pending) return { kind: "pending", retryAfterMs: error.retryAfterMs };
  if (error instanceof Pause) return { kind: "pause", reason: error.reason };
  if (error instanceof TripactError && error.code === "key-reused") return { kind: "key-reused", detail: error.message };
  return { kind: "unknown", code: error instanceof TripactError ? error.code : "threw", error: textOf(error) };
}
