import { TripactError } from "../protocol/errors.ts";
import { checkBranch } from "../protocol/ids.ts";
import { encodeInput, type Json } from "../protocol/json.ts";
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

const TEXT_MAX = 2_000;
const VERDICTS: readonly unknown[] = ["done", "refused", "retry", "skip"] satisfies Verdict[];

/** Checks a letter at the door, wherever its parts come from, and takes what JSON keeps of it. Throws `invalid-input`. */
export function checkLetter(letter: Letter, bytesMax: number): Letter {
  switch (letter.kind) {
    case "cancel":
      checkText(letter.by, "by");
      break;
    case "complete":
      checkCompletion(letter.outcome);
      break;
    case "decide":
      if (!VERDICTS.includes(letter.verdict)) throw wrong("a verdict is done, refused, retry or skip", "verdict");
      checkText(letter.who, "who");
      checkText(letter.why, "why");
      break;
    case "expired":
    case "nudge":
      break;
  }
  if ("branch" in letter && letter.branch !== undefined) checkBranch(letter.branch);
  return JSON.parse(encodeInput(letter, letter.kind, bytesMax)) as Letter;
}

/** Whatever is neither done nor refused is no answer: least of all a refusal. */
function checkCompletion(outcome: unknown): void {
  const { kind, code } = (outcome ?? {}) as Partial<Record<string, unknown>>;
  if (kind === "done") return;
  if (kind !== "refused") throw wrong("an outcome's kind is done or refused", "outcome");
  checkText(code, "code");
}

function checkText(value: unknown, where: string): void {
  if (typeof value !== "string" || value.length > TEXT_MAX) throw wrong(`${where} is a text of at most ${TEXT_MAX} characters`, where);
}

function wrong(what: string, where: string): TripactError {
  return new TripactError("invalid-input", `This cannot be followed: ${what}.`, { where });
}

/** Only the owner knows which branches there are, and only of what is registered does anybody hold the answer. */
export function refuseUnknownBranch({ gid, state }: { readonly gid: string; readonly state: Transaction }, branch: string): void {
  if (state.kind === "unborn" || state.branches.some(({ name }) => name === branch)) return;
  const names = state.branches.map(({ name }) => name).join(", ");
  throw new TripactError("unknown-branch", `This transaction has no branch ${branch}.`, { where: gid, hint: names === "" ? "It has no branch yet." : `It has ${names}.` });
}

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
  // Nobody is asked by a timer, and a local SQL step's own commit is the only proof of its write.
  if (branch.offer.kind === "timer" || branch.offer.kind === "sql") return [];
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
