import type { Json } from "../protocol/json.ts";
import { askedOp, forwardOp, isUnsettled, pivotDone, type Transaction, type TransactionEvent, type Verdict } from "../protocol/transaction.ts";

/** What somebody who does not own a transaction may ask of its owner. Travels as mail; the owner turns it into events. */
export type Letter =
  | { readonly kind: "cancel"; readonly by: string }
  | { readonly kind: "expired"; readonly branch: string }
  | { readonly kind: "complete"; readonly branch: string; readonly outcome: Completion }
  | { readonly kind: "decide"; readonly branch?: string; readonly verdict: Verdict; readonly who: string; readonly why: string; readonly result?: Json }
  | { readonly kind: "nudge"; readonly branch?: string };

/** The answer that a `pending` branch was waiting for. */
export type Completion = { readonly kind: "done"; readonly result?: Json } | { readonly kind: "refused"; readonly code: string; readonly details?: Json };

/** The events that a letter means in this state. None where it comes too late, or asks for what cannot be. */
export function eventsOf(letter: Letter, state: Transaction): readonly TransactionEvent[] {
  if (state.kind === "unborn") return [];
  switch (letter.kind) {
    case "cancel":
      return [{ kind: "roll-back-requested", reason: { kind: "cancelled", by: letter.by } }];
    case "expired":
      return state.kind === "forward" && state.commit === undefined
        ? [{ kind: "roll-back-requested", reason: { kind: "reservation-expired", branch: letter.branch } }]
        : [];
    case "complete":
      return completion(letter.branch, letter.outcome, state);
    case "decide": {
      const { kind: _, ...decision } = letter;
      return canDecide(letter.branch, letter.verdict, state) ? [{ kind: "operator-decided", ...decision }] : [];
    }
    case "nudge":
      return state.branches
        .filter((branch) => letter.branch === undefined || branch.name === letter.branch)
        .filter((branch) => branch.phase.kind === "open" || branch.phase.kind === "closing")
        .filter((branch) => branch.notBeforeMs > 0)
        .flatMap((branch) => {
          const op = askedOp(branch);
          return op === undefined || op === "wake" ? [] : [{ kind: "pending" as const, branch: branch.name, op, retryAfterMs: 0 }];
        });
  }
}

/** Completing a branch twice, or after it was settled otherwise, changes nothing. */
function completion(name: string, outcome: Completion, state: Transaction): readonly TransactionEvent[] {
  if (state.kind !== "forward") return [];
  const branch = state.branches.find((it) => it.name === name);
  if (branch === undefined || branch.phase.kind !== "open") return [];
  const at = { branch: name, op: forwardOp(branch.offer) };
  if (outcome.kind === "done") return [{ kind: "done", ...at, ...(outcome.result === undefined ? {} : { result: outcome.result }) }];
  return [{ kind: "refused", ...at, code: outcome.code, ...(outcome.details === undefined ? {} : { details: outcome.details }) }];
}

/** Whether an operator's verdict has something to decide here. */
export function canDecide(name: string | undefined, verdict: Verdict, state: Transaction): boolean {
  if (state.kind !== "forward" && state.kind !== "committing" && state.kind !== "rolling-back") return false;
  if (verdict === "refused" && state.kind === "forward" && pivotDone(state.branches)) return false;
  if (name === undefined) return verdict === "retry" ? state.halted !== undefined : verdict === "refused" && state.kind === "forward";
  const branch = state.branches.find((it) => it.name === name);
  if (branch === undefined) return false;
  return state.kind === "forward" ? isUnsettled(branch) : askedOp(branch) !== undefined;
}
