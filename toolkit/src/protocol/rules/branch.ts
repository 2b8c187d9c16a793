/** How one branch of a transaction changes; both phases use it. */
import { IllegalTransition } from "../errors.ts";
import { forwardOp, type Branch, type Committing, type EventKind, type EventOf, type Forward, type ParkReason, type RollingBack } from "../transaction.ts";

export type Living = Forward | Committing | RollingBack;

/** Applies an answer to the branch that was asked exactly this op. */
export function onBranch<S extends Living>(state: S, event: EventOf<"attempted" | "pending" | "done" | "refused">, change: (branch: Branch) => Branch): S {
  return mapBranch(state, event.branch, event.kind, (branch) => {
    if (branch.phase.kind !== "open" && branch.phase.kind !== "closing") throw new IllegalTransition(branch.phase.kind, event.kind, branch.name);
    const asked = branch.phase.kind === "open" ? forwardOp(branch.offer) : branch.phase.op;
    if (asked !== event.op) throw new IllegalTransition(`${branch.name} (asked ${asked})`, `${event.kind} of ${event.op}`);
    return change(branch);
  });
}

export function mapBranch<S extends Living>(state: S, name: string, event: EventKind, change: (branch: Branch) => Branch): S {
  const index = state.branches.findIndex((branch) => branch.name === name);
  const branch = state.branches[index];
  if (branch === undefined) throw new IllegalTransition(state.kind, event, `no branch ${name}`);
  return { ...state, branches: state.branches.with(index, change(branch)) };
}

/** "Not yet" is an answer: it uses up no attempt. */
export function postpone<S extends Living>(state: S, event: EventOf<"pending">, atMs: number): S {
  return onBranch(state, event, (branch) => ({ ...branch, notBeforeMs: atMs + event.retryAfterMs }));
}

/** Parks one branch, or the transaction as a whole. */
export function park<S extends Living>(state: S, event: EventOf<"parked">): S {
  const { branch, reason, detail } = event;
  if (branch === undefined) return { ...state, halted: { reason, detail } };
  return mapBranch(state, branch, "parked", (it) => parkBranch(it, reason, detail));
}

export function parkBranch(branch: Branch, reason: ParkReason, detail: string): Branch {
  const { phase } = branch;
  if (phase.kind !== "open" && phase.kind !== "closing") throw new IllegalTransition(phase.kind, "parked", branch.name);
  return { ...branch, phase: { kind: "parked", reason, detail, before: phase } };
}

/**
 * A person wants the same op asked again, from its first attempt and at once. What is in flight then ends unseen, and a result that could
 * not be journaled was one: a later refusal proves nothing.
 */
export function askAgain(branch: Branch): Branch {
  const phase = branch.phase.kind === "parked" ? branch.phase.before : branch.phase;
  if (phase.kind !== "open" && phase.kind !== "closing") throw new IllegalTransition(phase.kind, "operator-decided", branch.name);
  const unaccounted = branch.unaccounted || branch.phase.kind !== "parked" || branch.phase.reason === "result-not-json";
  return { ...branch, phase, attempts: 0, notBeforeMs: 0, unaccounted, late: false };
}

/** The whole transaction goes on from where it was parked. */
export function resume<S extends Living>(state: S): Omit<S, "halted"> {
  const { halted: _, ...resumed } = state;
  return resumed;
}

export function resultOf<R>(from: { readonly result?: R }): { readonly result?: R } {
  return from.result === undefined ? {} : { result: from.result };
}
