/** Rules of the decision and of what follows it: every branch that the decision concerns is asked until it is closed. */
import { IllegalTransition } from "../errors.ts";
import {
  askedOp,
  isUnsettled,
  pivotHolds,
  type Branch,
  type BranchPhase,
  type Committing,
  type EventOf,
  type Forward,
  type RollingBack,
  type SecondOp,
  type Settled,
  type Transaction,
} from "../transaction.ts";
import { askAgain, mapBranch, onBranch, parkBranch, resultOf, resume } from "./branch.ts";

/** The one decision. */
export function turn(state: Forward, event: EventOf<"decided">): Transaction {
  const { branches, messages } = state;
  switch (event.decision) {
    case "commit":
      if (state.commit === undefined) throw new IllegalTransition("forward", "decided", "nobody asked for a commit");
      if (state.rollBack !== undefined) throw new IllegalTransition("forward", "decided", "somebody asked to roll back first");
      if (branches.some(isUnsettled)) throw new IllegalTransition("forward", "decided", "a branch is still open");
      return end({ kind: "committing", branches: branches.map((branch) => facing(branch, commitOp(branch))), messages, ...resultOf(state.commit) });
    case "roll-back":
      if (state.rollBack === undefined) throw new IllegalTransition("forward", "decided", "nobody asked to roll back");
      if (pivotHolds(branches)) throw new IllegalTransition("forward", "decided", "the pivot may have happened");
      return end({ kind: "rolling-back", branches: branches.map((branch) => facing(branch, undoOp(branch))), messages: [], reason: state.rollBack });
  }
}

/** What the decision means for one branch: a second op, or nothing. */
function facing(branch: Branch, op: SecondOp | undefined): Branch {
  const forward = forwardOf(branch.phase);
  if (op === undefined) {
    if (branch.phase.kind !== "open" && branch.phase.kind !== "parked") return branch;
    return { ...branch, phase: { kind: "closed", op: "compensate", how: "done", forward } };
  }
  return { ...branch, phase: { kind: "closing", op, forward }, attempts: 0, notBeforeMs: 0, late: false };
}

/** A flow may go on after a refusal. Where that refusal proves nothing (note 2), the flow's belief is made true: the branch is undone. */
function commitOp(branch: Branch): SecondOp | undefined {
  if (branch.phase.kind === "refused") return undoOp(branch);
  return branch.offer.kind === "tcc" && branch.phase.kind === "done" ? "confirm" : undefined;
}

/** Roll back covers every branch that may have happened, and none that surely did not. */
function undoOp(branch: Branch): SecondOp | undefined {
  const { offer, phase } = branch;
  if (phase.kind === "skipped" || (phase.kind === "refused" && phase.surely)) return undefined;
  switch (offer.kind) {
    case "tcc":
      return "cancel";
    case "step":
      return offer.undo === "nothing" ? undefined : "compensate";
    case "sql":
      // Its effect commits together with its `done`: while the journal says open, it did not happen.
      return offer.undo === "nothing" || phase.kind !== "done" ? undefined : "compensate";
    case "pivot":
    case "timer":
      return undefined;
  }
}

function forwardOf(phase: BranchPhase): Settled {
  switch (phase.kind) {
    case "done":
    case "refused":
    case "skipped":
      return phase;
    case "closing":
    case "closed":
      return phase.forward;
    case "open":
    case "parked":
      return { kind: "unknown" };
  }
}

/** A second-phase op is never spent: past its usual time it is late, and still asked. */
export function retrySecond<S extends Committing | RollingBack>(state: S, event: EventOf<"attempted">, atMs: number): S {
  return onBranch(state, event, (branch) => ({
    ...branch,
    attempts: branch.attempts + (event.count ?? 1),
    notBeforeMs: atMs + event.retryAfterMs,
    late: branch.late || event.spent,
  }));
}

export function close(state: Committing | RollingBack, event: EventOf<"done">): Transaction {
  return end(onBranch(state, event, (branch) => closed(branch, "done")));
}

function closed(branch: Branch, how: "done" | "skipped" | "refused"): Branch {
  const asking = branch.phase.kind === "parked" ? branch.phase.before : branch.phase;
  if (asking.kind !== "closing") throw new IllegalTransition(branch.phase.kind, "closed", branch.name);
  return { ...branch, phase: { kind: "closed", op: asking.op, how, forward: asking.forward }, late: false };
}

/** `confirm`, `cancel` and `compensate` may not be refused: only a person can say what such an answer means. */
export function parkSecond<S extends Committing | RollingBack>(state: S, event: EventOf<"refused">): S {
  return onBranch(state, event, (branch) => parkBranch(branch, "second-phase-refused", event.code));
}

export function operatorSecond(state: Committing | RollingBack, event: EventOf<"operator-decided">): Transaction {
  const { branch: name, verdict } = event;
  if (name === undefined) {
    if (verdict !== "retry") throw new IllegalTransition(state.kind, "operator-decided", `${verdict} needs a branch`);
    // Told apart, so that the type of what remains is still one of the two.
    return state.kind === "committing" ? resume(state) : resume(state);
  }
  return end(
    mapBranch(state, name, "operator-decided", (branch) => {
      switch (verdict) {
        case "done":
          return closed(branch, "done");
        case "refused":
          return closed(branch, "refused");
        case "skip":
          return closed(branch, "skipped");
        case "retry":
          return askAgain(branch);
      }
    }),
  );
}

/** Cancel and deadline are requests that lose to a decision already made. They stay in the journal, as evidence. */
export function tooLate<S extends Transaction>(state: S): S {
  return state;
}

/** The second phase is over when no branch is asked any more. */
function end(state: Committing | RollingBack): Transaction {
  const { branches, messages } = state;
  if (branches.some((branch) => askedOp(branch) !== undefined)) return state;
  if (branches.some((branch) => branch.phase.kind === "closed" && branch.phase.how === "refused")) {
    const decision = state.kind === "committing" ? { kind: "commit" as const, ...resultOf(state) } : { kind: "roll-back" as const, reason: state.reason };
    return { kind: "mixed", branches, messages, decision };
  }
  if (state.kind === "committing") return { kind: "committed", branches, messages, ...resultOf(state) };
  return { kind: "rolled-back", branches, messages, reason: state.reason };
}
