import type { Branch, Transaction, TransactionEvent } from "../../protocol/transaction.ts";
import type { Notice } from "../notices.ts";

/**
 * What an operator may want to hear of a change. By what became of the state, not by the event: a transaction also parks where an answer
 * came that no rule can follow, and is late once, however often it is asked after that.
 */
export function noticesOf(gid: string, before: Transaction, event: TransactionEvent, after: Transaction): readonly Notice[] {
  const notices: Notice[] = [];
  const halted = haltOf(after);
  if (halted !== undefined && halted !== haltOf(before)) notices.push({ kind: "parked", gid, ...halted });
  const known = branchesOf(before);
  for (const [index, branch] of branchesOf(after).entries()) {
    const was = known[index];
    if (branch === was) continue;
    if (branch.phase.kind === "parked" && was?.phase.kind !== "parked") notices.push({ kind: "parked", gid, branch: branch.name, reason: branch.phase.reason, detail: branch.phase.detail });
    if (branch.late && was?.late !== true) notices.push({ kind: "late", gid, branch: branch.name, error: event.kind === "attempted" ? event.error : "" });
    if (!branch.late && was?.late === true) notices.push({ kind: "late-over", gid, branch: branch.name });
  }
  return notices;
}

function haltOf(state: Transaction) {
  return "halted" in state ? state.halted : undefined;
}

function branchesOf(state: Transaction): readonly Branch[] {
  return state.kind === "unborn" ? [] : state.branches;
}
