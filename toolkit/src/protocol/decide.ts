/**
 * `decide(state, now)`: what should be going on in this state. It is asked again after every event and always gives the whole answer;
 * the runtime starts what is not yet in flight. Time changes nothing by itself: it may only bring an event about (`append`).
 */
import { forwardOp, isUnsettled, pivotHolds, type Branch, type Forward, type RollingBack, type Transaction, type TransactionEvent } from "./transaction.ts";
import type { Op } from "./outcome.ts";

export type Effect =
  /** Journal this event, evolve, and decide again. */
  | { readonly kind: "append"; readonly event: TransactionEvent }
  /** Ask this op of this branch, not before `notBeforeMs`. */
  | { readonly kind: "call"; readonly branch: Branch; readonly op: Op; readonly notBeforeMs: number }
  /** Let the driver (flow or plan) say what comes next. */
  | { readonly kind: "drive" }
  /** Ask again at this time, if nothing else happens before. */
  | { readonly kind: "wait"; readonly untilMs: number };

export interface DecideOptions {
  /** A commit is journaled only this long before the earliest reservation expires. Default: twice the op timeout. */
  readonly expiryMarginMs: number;
}

export function decide(state: Transaction, nowMs: number, options: DecideOptions): readonly Effect[] {
  switch (state.kind) {
    case "forward":
      return forward(state, nowMs, options);
    case "committing":
      return state.branches.flatMap(callIfClosing);
    case "rolling-back":
      return undo(state);
    case "unborn":
    case "committed":
    case "rolled-back":
    case "mixed":
      return [];
  }
}

function forward(state: Forward, nowMs: number, options: DecideOptions): readonly Effect[] {
  const due = state.branches.find((branch) => branch.offer.kind === "timer" && branch.phase.kind === "open" && dueAtMs(branch) <= nowMs);
  if (due !== undefined) return [{ kind: "append", event: { kind: "done", branch: due.name, op: "wake" } }];

  if (!pivotHolds(state.branches)) {
    if (state.rollBack !== undefined) return [{ kind: "append", event: { kind: "decided", decision: "roll-back" } }];
    if (state.deadlineAtMs !== undefined && state.deadlineAtMs <= nowMs) return [{ kind: "append", event: { kind: "deadline-reached" } }];
  }
  if (state.commit !== undefined && !state.branches.some(isUnsettled)) {
    const expired = pivotHolds(state.branches) ? undefined : state.branches.find((branch) => expiresAtMs(branch) - options.expiryMarginMs <= nowMs);
    if (expired === undefined) return [{ kind: "append", event: { kind: "decided", decision: "commit" } }];
    return [{ kind: "append", event: { kind: "roll-back-requested", reason: { kind: "reservation-expired", branch: expired.name } } }];
  }
  return [...state.branches.flatMap(callIfOpen), ...drive(state), ...waits(state)];
}

function drive(state: Forward): readonly Effect[] {
  return state.halted === undefined && state.commit === undefined && state.rollBack === undefined ? [{ kind: "drive" }] : [];
}

function waits(state: Forward): readonly Effect[] {
  const times = state.branches.filter((branch) => branch.offer.kind === "timer" && branch.phase.kind === "open").map(dueAtMs);
  if (state.deadlineAtMs !== undefined && !pivotHolds(state.branches)) times.push(state.deadlineAtMs);
  return times.length === 0 ? [] : [{ kind: "wait", untilMs: Math.min(...times) }];
}

function callIfOpen(branch: Branch): readonly Effect[] {
  if (branch.phase.kind !== "open" || branch.offer.kind === "timer") return [];
  return [{ kind: "call", branch, op: forwardOp(branch.offer), notBeforeMs: branch.notBeforeMs }];
}

function callIfClosing(branch: Branch): readonly Effect[] {
  if (branch.phase.kind !== "closing") return [];
  return [{ kind: "call", branch, op: branch.phase.op, notBeforeMs: branch.notBeforeMs }];
}

/** Reservations are cancelled at once, in any order; steps are compensated one by one, the last started first. */
function undo(state: RollingBack): readonly Effect[] {
  const cancels = state.branches.filter((branch) => branch.offer.kind === "tcc");
  const steps = state.branches.filter((branch) => branch.offer.kind !== "tcc");
  const last = steps.findLast((branch) => branch.phase.kind === "closing" || branch.phase.kind === "parked");
  return [...cancels.flatMap(callIfClosing), ...(last === undefined ? [] : callIfClosing(last))];
}

function dueAtMs(branch: Branch): number {
  return branch.offer.kind === "timer" ? branch.registeredAtMs + branch.offer.afterMs : Number.POSITIVE_INFINITY;
}

function expiresAtMs(branch: Branch): number {
  const { offer, phase } = branch;
  if (offer.kind !== "tcc" || offer.expiresAfterMs === undefined || phase.kind !== "done") return Number.POSITIVE_INFINITY;
  return branch.registeredAtMs + offer.expiresAfterMs;
}
