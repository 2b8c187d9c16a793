/**
 * One business promise across participants. It is a growing list of branches, a forward phase that ends in one journaled decision, and
 * a second phase that carries the decision out. Only events change it (`evolve.ts`); what to do next follows from it (`decide.ts`).
 *
 *     unborn ── started ──▶ forward ── decided: commit ─────▶ committing ───▶ committed
 *                             │                                   └─ a branch was forced ─▶ mixed
 *                             └────── decided: roll-back ──▶ rolling-back ──▶ rolled-back
 *
 * A branch:  open ─▶ done | refused | skipped     and after the decision     ─▶ closing ─▶ closed
 * Either half can be `parked`: an answer came that no rule can follow, and a person decides.
 */
import type { Json } from "./json.ts";
import type { Guard, Op } from "./outcome.ts";
import type { Plan } from "./plan-shape.ts";

export type { Guard } from "./outcome.ts";

/** A call that needs no code of the flow: any node can make it, after any crash. */
export interface Target {
  /** A participant's name on the node, or its URL. */
  readonly participant: string;
  readonly payload: Json;
}

/** What a branch offers. Without `target`, its code is a closure that only the flow, run again, can reach. */
export type Offer =
  | { readonly kind: "step"; readonly guard: Guard; readonly undo: "nothing" | "closure" | "target"; readonly target?: Target }
  /** `afterMs`: not asked before this long after its registration, whoever drives it then. */
  | { readonly kind: "pivot"; readonly guard: Guard; readonly target?: Target; readonly afterMs?: number }
  | { readonly kind: "tcc"; readonly guard: Guard; readonly target?: Target; readonly expiresAfterMs?: number }
  | { readonly kind: "sql"; readonly undo: "nothing" | "closure" }
  | { readonly kind: "timer"; readonly afterMs: number };

/** How the forward op ended, kept for the second phase. */
export type Settled =
  | { readonly kind: "done"; readonly result?: Json }
  | { readonly kind: "refused"; readonly code: string; readonly details?: Json; readonly surely: boolean }
  | { readonly kind: "unknown" }
  | { readonly kind: "skipped" };

export type SecondOp = "confirm" | "cancel" | "compensate";
export type Asking = { readonly kind: "open" } | { readonly kind: "closing"; readonly op: SecondOp; readonly forward: Settled };

export type BranchPhase =
  | Asking
  | Exclude<Settled, { kind: "unknown" }>
  | { readonly kind: "closed"; readonly op: SecondOp; readonly how: "done" | "skipped" | "refused"; readonly forward: Settled }
  | { readonly kind: "parked"; readonly reason: ParkReason; readonly detail: string; readonly before: Asking };

export interface Branch {
  readonly name: string;
  readonly offer: Offer;
  /** Fingerprint of the declared input: a replay that asks for the same name with another input is another flow. */
  readonly inputHash: string;
  readonly registeredAtMs: number;
  readonly phase: BranchPhase;
  /** Attempts of the current op whose end is unknown. */
  readonly attempts: number;
  /** The current op is not called before this moment. */
  readonly notBeforeMs: number;
  /** Some attempt of the forward op ended unseen: a later bare refusal does not prove that nothing happened. */
  readonly unaccounted: boolean;
  readonly late: boolean;
}

/** A message that goes to the outbox with the commit decision. */
export interface Emitted {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly payload: Json;
  readonly headers: { readonly [name: string]: string };
}

/** A value that the flow may see again: the time, an id, a random number. */
export interface Recorded {
  readonly source: "now" | "uuid" | "random";
  readonly value: number | string;
}

export type RollBackReason =
  | { readonly kind: "refused"; readonly branch: string; readonly code: string; readonly details?: Json }
  | { readonly kind: "refused-by-flow"; readonly code: string; readonly details?: Json }
  | { readonly kind: "attempts-spent"; readonly branch: string; readonly error: string }
  | { readonly kind: "cancelled"; readonly by: string }
  | { readonly kind: "deadline" }
  | { readonly kind: "reservation-expired"; readonly branch: string }
  | { readonly kind: "flow-threw"; readonly error: string };

export type ParkReason =
  | "flow-changed"
  | "flow-threw-after-pivot"
  | "journal-refused"
  | "key-reused"
  | "paused"
  | "pivot-in-doubt"
  | "refused-after-pivot"
  | "result-not-json"
  | "second-phase-refused"
  | "undo-unreachable"
  | "unknown-participant";

export interface Halt {
  readonly reason: ParkReason;
  readonly detail: string;
}

export interface Decided {
  readonly branches: readonly Branch[];
  readonly messages: readonly Emitted[];
  readonly halted?: Halt;
}

export interface Unborn {
  readonly kind: "unborn";
}
export interface Forward {
  readonly kind: "forward";
  readonly branches: readonly Branch[];
  readonly messages: readonly Emitted[];
  readonly recorded: readonly Recorded[];
  readonly plan?: Plan;
  readonly deadlineAtMs?: number;
  readonly rollBack?: RollBackReason;
  readonly commit?: { readonly result?: Json };
  /** Parked as a whole: the flow itself cannot go on. */
  readonly halted?: Halt;
}
export interface Committing extends Decided {
  readonly kind: "committing";
  readonly result?: Json;
}
export interface RollingBack extends Decided {
  readonly kind: "rolling-back";
  readonly reason: RollBackReason;
}
export interface Committed extends Decided {
  readonly kind: "committed";
  readonly result?: Json;
}
export interface RolledBack extends Decided {
  readonly kind: "rolled-back";
  readonly reason: RollBackReason;
}
/** Decided one way, and a person (or a participant that acts on its own) made a branch end the other way. */
export interface Mixed extends Decided {
  readonly kind: "mixed";
  readonly decision: { readonly kind: "commit"; readonly result?: Json } | { readonly kind: "roll-back"; readonly reason: RollBackReason };
}

export type Transaction = Unborn | Forward | Committing | RollingBack | Committed | RolledBack | Mixed;
export type TransactionKind = Transaction["kind"];

export type Verdict = "done" | "refused" | "retry" | "skip";

export type TransactionEvent =
  | { readonly kind: "started"; readonly deadlineMs?: number; readonly plan?: Plan; readonly traceparent?: string }
  | { readonly kind: "registered"; readonly branch: string; readonly offer: Offer; readonly inputHash: string }
  /** `count`: it stands for so many attempts, of which this is the last; absent: one. Only late branches fold theirs. */
  | { readonly kind: "attempted"; readonly branch: string; readonly op: Op; readonly code: string; readonly error: string; readonly retryAfterMs: number; readonly spent: boolean; readonly count?: number }
  | { readonly kind: "pending"; readonly branch: string; readonly op: Op; readonly retryAfterMs: number }
  | { readonly kind: "done"; readonly branch: string; readonly op: Op; readonly result?: Json }
  | { readonly kind: "refused"; readonly branch: string; readonly op: Op; readonly code: string; readonly details?: Json }
  | ({ readonly kind: "emitted" } & Emitted)
  | ({ readonly kind: "recorded" } & Recorded)
  | { readonly kind: "roll-back-requested"; readonly reason: RollBackReason }
  | { readonly kind: "commit-requested"; readonly result?: Json }
  | { readonly kind: "deadline-reached" }
  | { readonly kind: "decided"; readonly decision: "commit" | "roll-back" }
  | { readonly kind: "parked"; readonly branch?: string; readonly reason: ParkReason; readonly detail: string }
  | { readonly kind: "operator-decided"; readonly branch?: string; readonly verdict: Verdict; readonly who: string; readonly why: string; readonly result?: Json }
  | { readonly kind: "recovered"; readonly by: string; readonly epoch: number };

export type EventKind = TransactionEvent["kind"];
export type EventOf<K extends EventKind> = Extract<TransactionEvent, { kind: K }>;

export const UNBORN: Unborn = { kind: "unborn" };

/** The op that an open branch is asked first. */
export function forwardOp(offer: Offer): Op {
  switch (offer.kind) {
    case "step":
    case "pivot":
    case "sql":
      return "action";
    case "tcc":
      return "try";
    case "timer":
      return "wake";
  }
}

/** The op that is being asked of a branch, if any. */
export function askedOp(branch: Branch): Op | undefined {
  const asking = branch.phase.kind === "parked" ? branch.phase.before : branch.phase;
  if (asking.kind === "open") return forwardOp(branch.offer);
  return asking.kind === "closing" ? asking.op : undefined;
}

export function hasEnded(state: Transaction): state is Committed | RolledBack | Mixed {
  return state.kind === "committed" || state.kind === "rolled-back" || state.kind === "mixed";
}

/** Registered and not answered yet, or parked before an answer. */
export function isUnsettled(branch: Branch): boolean {
  return branch.phase.kind === "open" || (branch.phase.kind === "parked" && branch.phase.before.kind === "open");
}

/** From its registration on, nothing rolls back until it answers; once it is done, nothing rolls back at all. */
export function pivotHolds(branches: readonly Branch[]): boolean {
  return branches.some((branch) => branch.offer.kind === "pivot" && branch.phase.kind !== "refused");
}

export function pivotDone(branches: readonly Branch[]): boolean {
  return branches.some((branch) => branch.offer.kind === "pivot" && (branch.phase.kind === "done" || branch.phase.kind === "skipped"));
}
