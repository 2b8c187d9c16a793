/** Rules of the forward phase: branches are registered, asked and settled, until one decision is asked for. */
import { IllegalTransition } from "../errors.ts";
import {
  isUnsettled,
  pivotDone,
  pivotHolds,
  type Branch,
  type EventOf,
  type Forward,
  type RollBackReason,
  type Settled,
  type Unborn,
} from "../transaction.ts";
import { askAgain, mapBranch, onBranch, parkBranch, resultOf, resume } from "./branch.ts";

export function begin(_: Unborn, event: EventOf<"started">, atMs: number): Forward {
  return {
    kind: "forward",
    branches: [],
    messages: [],
    recorded: [],
    ...(event.plan === undefined ? {} : { plan: event.plan }),
    ...(event.deadlineMs === undefined ? {} : { deadlineAtMs: atMs + event.deadlineMs }),
  };
}

export function register(state: Forward, event: EventOf<"registered">, atMs: number): Forward {
  if (state.branches.some((branch) => branch.name === event.branch)) {
    throw new IllegalTransition("forward", "registered", `a branch ${event.branch} is already there`);
  }
  const pivot = event.offer.kind === "pivot";
  if (pivot && state.rollBack !== undefined) {
    // A pivot would make a wish that came first be overruled by a call that had not yet begun.
    throw new IllegalTransition("forward", "registered", `the pivot ${event.branch} after somebody asked to roll back`);
  }
  if (state.branches.some((branch) => isUnsettled(branch) && (pivot || branch.offer.kind === "pivot"))) {
    throw new IllegalTransition("forward", "registered", `${event.branch} and an open branch: a pivot runs alone`);
  }
  if (pivotDone(state.branches) && (pivot || event.offer.kind === "tcc")) {
    throw new IllegalTransition("forward", "registered", `${event.branch} after the pivot: only steps that can be retried for ever`);
  }
  const branch: Branch = {
    name: event.branch,
    offer: event.offer,
    inputHash: event.inputHash,
    registeredAtMs: atMs,
    phase: { kind: "open" },
    attempts: 0,
    notBeforeMs: event.offer.kind === "pivot" && event.offer.afterMs !== undefined ? atMs + event.offer.afterMs : 0,
    unaccounted: false,
    late: false,
  };
  return { ...state, branches: [...state.branches, branch] };
}

export function settleDone(state: Forward, event: EventOf<"done">): Forward {
  return heedPivot(onBranch(state, event, (branch) => settle(branch, { kind: "done", ...resultOf(event) })));
}

export function settleRefused(state: Forward, event: EventOf<"refused">): Forward {
  return onBranch(state, event, (branch) => {
    if (pivotDone(state.branches)) return parkBranch(branch, "refused-after-pivot", event.code);
    const surely = surelyRefused(branch);
    if (branch.offer.kind === "pivot" && !surely) return parkBranch(branch, "pivot-in-doubt", event.code);
    const details = event.details === undefined ? {} : { details: event.details };
    return settle(branch, { kind: "refused", code: event.code, ...details, surely });
  });
}

/** Note 2: a refusal proves that nothing happened only where a barrier recorded it, or where it answers the one attempt ever made. */
function surelyRefused(branch: Branch): boolean {
  const { offer } = branch;
  if (offer.kind === "sql" || offer.kind === "timer" || offer.guard === "barrier") return true;
  return !branch.unaccounted;
}

/** The end of this attempt is unknown. Spent: before the pivot that is a wish to roll back, from it on the branch is late. */
export function retryForward(state: Forward, event: EventOf<"attempted">, atMs: number): Forward {
  const forwardOnly = pivotHolds(state.branches);
  const next = onBranch(state, event, (branch) => ({
    ...branch,
    attempts: branch.attempts + (event.count ?? 1),
    notBeforeMs: atMs + event.retryAfterMs,
    unaccounted: true,
    late: branch.late || (event.spent && forwardOnly),
  }));
  if (!event.spent || forwardOnly) return next;
  return wishRollBack(next, { kind: "attempts-spent", branch: event.branch, error: event.error });
}

/** The first wish names the reason; after the pivot no wish is heard. */
export function wishRollBack(state: Forward, reason: RollBackReason): Forward {
  if (state.rollBack !== undefined || pivotDone(state.branches)) return state;
  return { ...state, rollBack: reason };
}

export function wishCommit(state: Forward, event: EventOf<"commit-requested">): Forward {
  return { ...state, commit: resultOf(event) };
}

/** Another owner goes on: what the last one had in flight may have happened, and nobody saw it end. */
export function recover(state: Forward): Forward {
  return { ...state, branches: state.branches.map((branch) => (branch.phase.kind === "open" ? { ...branch, unaccounted: true } : branch)) };
}

export function operatorForward(state: Forward, event: EventOf<"operator-decided">): Forward {
  const { branch: name, verdict } = event;
  if (verdict === "refused" && pivotDone(state.branches)) {
    throw new IllegalTransition("forward", "operator-decided", "after the pivot nothing can be refused any more: say done, skip or retry");
  }
  if (name === undefined) {
    if (verdict === "retry") return resume(state);
    if (verdict === "refused") return wishRollBack(resume(state), { kind: "cancelled", by: event.who });
    throw new IllegalTransition("forward", "operator-decided", `${verdict} needs a branch`);
  }
  return heedPivot(
    mapBranch(state, name, "operator-decided", (branch) => {
      if (!isUnsettled(branch)) throw new IllegalTransition(branch.phase.kind, "operator-decided", branch.name);
      switch (verdict) {
        case "done":
          return settle(branch, { kind: "done", ...resultOf(event) });
        case "refused":
          return settle(branch, { kind: "refused", code: "operator", surely: true });
        case "skip":
          return settle(branch, { kind: "skipped" });
        case "retry":
          return askAgain(branch);
      }
    }),
  );
}

function settle(branch: Branch, phase: Exclude<Settled, { kind: "unknown" }>): Branch {
  return { ...branch, phase, late: false };
}

/** Once the pivot is done the transaction only goes forward: a wish to roll back has lost. */
function heedPivot(state: Forward): Forward {
  if (state.rollBack === undefined || !pivotDone(state.branches)) return state;
  const { rollBack: _, ...rest } = state;
  return rest;
}
