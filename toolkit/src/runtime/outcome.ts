import type { Json } from "../protocol/json.ts";
import type { Branch, RollBackReason, Transaction } from "../protocol/transaction.ts";
import type { JournalHeader } from "../stores/store.ts";
import { parkedReason } from "./journal/summary.ts";

/** What became of one branch, for people and programs. */
export interface BranchReport {
  readonly branch: string;
  readonly kind: Branch["offer"]["kind"];
  readonly state: "open" | "done" | "refused" | "skipped" | "undoing" | "undone" | "confirming" | "confirmed" | "parked" | "forced";
  readonly attempts: number;
  readonly detail?: string;
}

/** How a transaction stands. `open` covers everything that goes on by itself or waits for a person. */
export type TransactionOutcome<Out = Json | undefined> =
  | { readonly kind: "committed"; readonly gid: string; readonly result: Out }
  | { readonly kind: "rolled-back"; readonly gid: string; readonly reason: RollBackReason; readonly branches: readonly BranchReport[] }
  /** Decided one way, and a branch was made to end the other way by a person or by its participant. */
  | { readonly kind: "mixed"; readonly gid: string; readonly decision: "commit" | "roll-back"; readonly branches: readonly BranchReport[] }
  | {
      readonly kind: "open";
      readonly gid: string;
      readonly phase: "forward" | "committing" | "rolling-back";
      readonly parked?: string;
      readonly branches: readonly BranchReport[];
    }
  | { readonly kind: "never-started"; readonly gid: string };

export function outcomeOf(gid: string, state: Transaction): TransactionOutcome {
  switch (state.kind) {
    case "committed":
      return { kind: "committed", gid, result: state.result };
    case "rolled-back":
      return { kind: "rolled-back", gid, reason: state.reason, branches: state.branches.map(report) };
    case "mixed":
      return { kind: "mixed", gid, decision: state.decision.kind, branches: state.branches.map(report) };
    case "unborn":
      return { kind: "open", gid, phase: "forward", branches: [] };
    case "forward":
    case "committing":
    case "rolling-back": {
      const parked = parkedReason(state);
      return { kind: "open", gid, phase: state.kind, ...(parked === undefined ? {} : { parked }), branches: state.branches.map(report) };
    }
  }
}

export function report(branch: Branch): BranchReport {
  const common = { branch: branch.name, kind: branch.offer.kind, attempts: branch.attempts };
  const { phase } = branch;
  switch (phase.kind) {
    case "open":
    case "done":
    case "skipped":
      return { ...common, state: phase.kind };
    case "refused":
      return { ...common, state: "refused", detail: phase.code };
    case "parked":
      return { ...common, state: "parked", detail: `${phase.reason}: ${phase.detail}` };
    case "closing":
      return { ...common, state: phase.op === "confirm" ? "confirming" : "undoing" };
    case "closed":
      if (phase.how === "refused") return { ...common, state: "forced", detail: `${phase.op} did not happen` };
      return { ...common, state: phase.op === "confirm" ? "confirmed" : "undone", ...(phase.how === "skipped" ? { detail: "skipped by a person" } : {}) };
  }
}

/** What is left of a transaction whose entries were pruned: its outcome. */
export function outcomeOfHeader(header: JournalHeader): TransactionOutcome {
  const { gid, summary } = header;
  const stored = summary.outcome === undefined ? {} : (JSON.parse(summary.outcome) as { result?: never; reason?: never });
  switch (summary.status) {
    case "committed":
      return { kind: "committed", gid, result: stored.result };
    case "rolled-back":
      return { kind: "rolled-back", gid, reason: stored.reason ?? { kind: "flow-threw", error: "pruned" }, branches: [] };
    case "mixed":
      return { kind: "mixed", gid, decision: "reason" in stored ? "roll-back" : "commit", branches: [] };
    case "never-started":
      return { kind: "never-started", gid };
    case "forward":
    case "committing":
    case "rolling-back":
      return { kind: "open", gid, phase: summary.status, ...(summary.parked === undefined ? {} : { parked: summary.parked }), branches: [] };
  }
}
