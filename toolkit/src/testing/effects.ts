import { evolve } from "../protocol/evolve.ts";
import type { Op } from "../protocol/outcome.ts";
import { UNBORN, type Branch, type Transaction, type TransactionEvent } from "../protocol/transaction.ts";
import type { OutboxMessage } from "../stores/store.ts";
import type { MemoryRow } from "../stores/memory/database.ts";

/** One effect on a participant's data, as its own table would show it. */
export interface Effect {
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  readonly atMs: number;
}

/**
 * Everything that is wrong with one transaction at rest, told from its journal row and its effects alone (`uncounted`: from the row alone): it has ended, its journal
 * replays to its header, epochs only rise, every effect is there once or undone once, and its messages were sent with the commit.
 */
export function violationsOfTransaction(gid: string, row: MemoryRow, effects: readonly Effect[] | "uncounted", outbox: readonly OutboxMessage[]): string[] {
  const { state, wrong } = replay(gid, row);
  if (state === undefined) return wrong;
  if (state.kind !== row.summary.status) wrong.push(`journal: ${gid} replays to ${state.kind}, its header says ${row.summary.status}`);
  if (state.kind !== "committed" && state.kind !== "rolled-back") {
    const parked = row.summary.parked === undefined ? "" : ` (parked: ${row.summary.parked})`;
    return [...wrong, `stuck: ${gid} is ${state.kind} in epoch ${row.epoch} of ${row.owner ?? "nobody"}${parked}`];
  }
  if (effects !== "uncounted") wrong.push(...violationsOfEffects(gid, state, effects));
  const sent = outbox.filter((message) => state.messages.some((it) => it.id === message.id)).length;
  if (sent !== state.messages.length) wrong.push(`messages: ${gid} sent ${sent} of ${state.messages.length}`);
  return wrong;
}

function violationsOfEffects(gid: string, state: Extract<Transaction, { kind: "committed" | "rolled-back" }>, effects: readonly Effect[]): string[] {
  const wrong = state.branches.flatMap((branch) => violationsOfBranch(gid, state.kind, branch, effects));
  for (const effect of effects) {
    if (!state.branches.some((branch) => branch.name === effect.branch)) wrong.push(`phantom: ${gid}/${effect.branch} has an effect and is not registered`);
  }
  return state.kind === "rolled-back" ? [...wrong, ...violationsOfOrder(gid, state.branches, effects)] : wrong;
}

function replay(gid: string, row: MemoryRow): { readonly state: Transaction | undefined; readonly wrong: string[] } {
  const wrong: string[] = [];
  let state: Transaction = UNBORN;
  let epoch = 0;
  for (const [index, entry] of row.entries.entries()) {
    if (entry.seq !== index + 1) wrong.push(`journal: ${gid} has entry ${entry.seq} at place ${index + 1}`);
    if (entry.epoch < epoch) wrong.push(`fencing: ${gid} has an entry of epoch ${entry.epoch} after epoch ${epoch}`);
    epoch = entry.epoch;
    try {
      for (const event of JSON.parse(entry.entry) as TransactionEvent[]) state = evolve(state, event, 0);
    } catch (error) {
      wrong.push(`journal: ${gid} cannot be replayed: ${String(error)}`);
      return { state: undefined, wrong };
    }
  }
  return { state, wrong };
}

function violationsOfBranch(gid: string, end: "committed" | "rolled-back", branch: Branch, effects: readonly Effect[]): string[] {
  const wrong: string[] = [];
  const count = (...ops: Op[]): number => effects.filter((effect) => effect.branch === branch.name && ops.includes(effect.op)).length;
  const forward = count("action", "try");
  const undone = count("compensate", "cancel");
  const confirmed = count("confirm");
  const where = `${gid}/${branch.name}`;
  if (forward > 1 || undone > 1 || confirmed > 1) wrong.push(`doubled: ${where} forward ${forward}, confirm ${confirmed}, undo ${undone}`);
  // Effects at a participant without a barrier cannot be counted from here.
  if (branch.offer.kind === "timer" || ("guard" in branch.offer && branch.offer.guard === "unguarded")) return wrong;
  if (end === "rolled-back") {
    const undoable = !("undo" in branch.offer) || branch.offer.undo !== "nothing";
    if (undoable && forward !== undone) wrong.push(`torn: ${where} rolled back with forward ${forward}, undo ${undone}`);
    if (confirmed > 0) wrong.push(`torn: ${where} rolled back and confirmed`);
  } else {
    const wanted = branch.phase.kind === "refused" ? 0 : 1;
    if (forward !== wanted) wrong.push(`torn: ${where} committed with forward ${forward}, wanted ${wanted}`);
    if (undone > 0) wrong.push(`torn: ${where} committed and undone`);
    if (branch.offer.kind === "tcc" && confirmed !== wanted) wrong.push(`torn: ${where} committed with confirm ${confirmed}`);
  }
  return wrong;
}

/** Steps are compensated in reverse order of their start. */
function violationsOfOrder(gid: string, branches: readonly Branch[], effects: readonly Effect[]): string[] {
  const steps = branches.filter((branch) => branch.offer.kind === "step" || branch.offer.kind === "sql");
  const order = steps.map((branch) => effects.findIndex((it) => it.branch === branch.name && it.op === "compensate"));
  const times = order.filter((index) => index >= 0).map((index) => effects[index]?.atMs ?? 0);
  return times.every((atMs, index) => index === 0 || atMs <= (times[index - 1] ?? atMs)) ? [] : [`order: ${gid} was not compensated in reverse`];
}
