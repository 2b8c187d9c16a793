import type { Branch, Halt, Transaction } from "../../protocol/transaction.ts";
import type { Status, Summary } from "../../stores/store.ts";

/** What the header's columns say about a state. */
export function summaryOf(state: Transaction): Summary {
  const parked = parkedReason(state);
  const outcome = outcomeText(state);
  return {
    status: statusOf(state),
    ended: state.kind === "committed" || state.kind === "rolled-back" || state.kind === "mixed",
    ...(parked === undefined ? {} : { parked }),
    late: state.kind !== "unborn" && state.branches.some((branch) => branch.late),
    ...(outcome === undefined ? {} : { outcome }),
  };
}

/** Why a person has to look, naming the branch; undefined when nobody has to. */
export function parkedReason(state: Transaction): string | undefined {
  if (state.kind === "unborn") return undefined;
  const halted: Halt | undefined = "halted" in state ? state.halted : undefined;
  if (halted !== undefined) return `${halted.reason}: ${halted.detail}`;
  const parked = state.branches.map(parkedBranch).find((reason) => reason !== undefined);
  return parked;
}

function parkedBranch(branch: Branch): string | undefined {
  return branch.phase.kind === "parked" ? `${branch.phase.reason} at ${branch.name}: ${branch.phase.detail}` : undefined;
}

function statusOf(state: Transaction): Status {
  return state.kind === "unborn" ? "forward" : state.kind;
}

function outcomeText(state: Transaction): string | undefined {
  switch (state.kind) {
    case "committing":
    case "committed":
      return JSON.stringify({ result: state.result });
    case "rolling-back":
    case "rolled-back":
      return JSON.stringify({ reason: state.reason });
    case "mixed":
      return JSON.stringify(state.decision.kind === "commit" ? { result: state.decision.result } : { reason: state.decision.reason });
    case "unborn":
    case "forward":
      return undefined;
  }
}
