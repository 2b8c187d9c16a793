import type { Json } from "../../protocol/json.ts";
import { Refused } from "../../protocol/outcome.ts";
import { misuse } from "../guard.ts";

/**
 * What the barrier knows of an op. Both kinds are facts to be committed: a refusal that is rolled back is forgotten, and a late
 * duplicate may then succeed. So `run` returns a refusal instead of throwing it; commit first, then `resultOf(answer)`.
 *
 * `how`: `ran` = by this call; `repeated` = by an earlier one; `empty` = an undo that found nothing to undo and never will;
 * `barred` = the barrier's own no: `already-undone`, `already-confirmed`, `already-cancelled`, `confirm-without-try`.
 */
export type BarrierAnswer<T> =
  | { readonly kind: "done"; readonly result: T; readonly how: "ran" | "repeated" | "empty" }
  | { readonly kind: "refused"; readonly code: string; readonly details?: Json; readonly how: "ran" | "repeated" | "barred" };

/** An undo may find nothing to undo, and then has no result. Said only where the type knows the op: nobody reads an undo's result. */
export type EmptyOf<C> = C extends { readonly op: infer Known } ? ([Known] extends ["compensate" | "cancel"] ? undefined : never) : never;

/** The result of what is done; throws `Refused` for what is refused. Only after the commit. */
export function resultOf<T>(answer: BarrierAnswer<T>): T {
  if (answer.kind === "done") return answer.result;
  throw new Refused(answer.code, answer.details);
}

/**
 * Gives an answer to the caller as what the caller knows it to be: a row holds what the body returned. Handed on as a result, a
 * refusal would be read as done, so an answer refuses to become JSON.
 */
export function given<T>(answer: BarrierAnswer<unknown>): BarrierAnswer<T> {
  return Object.defineProperty(answer, "toJSON", { value: refuseToBeSent }) as BarrierAnswer<T>;
}

function refuseToBeSent(): never {
  throw misuse("A barrier's answer was returned as an op's result", "Commit, then return resultOf(answer); or use transact.");
}
