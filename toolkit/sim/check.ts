import { evolve } from "../src/protocol/evolve.ts";
import { UNBORN, type Branch, type Transaction, type TransactionEvent } from "../src/protocol/transaction.ts";
import type { MemoryDatabase, MemoryRow } from "../src/stores/memory/database.ts";
import type { EffectRow, Service } from "./participants.ts";
import type { Sightings } from "./store.ts";

/** What the clients were told. */
export interface Told {
  readonly accepted: Set<string>;
  readonly neverStarted: Set<string>;
  /** gid → the end that `run` reported. */
  readonly ended: Map<string, string>;
}

/** Reads the final state as a stranger would (journal rows, participants' effects) and names everything that is wrong. */
export function violationsOf(database: MemoryDatabase, services: readonly Service[], told: Told, sightings: Sightings): string[] {
  const wrong: string[] = [];
  const effects = new Map<string, EffectRow[]>();
  for (const effect of services.flatMap((service) => service.effects)) {
    const rows = effects.get(effect.gid) ?? [];
    rows.push(effect);
    effects.set(effect.gid, rows);
  }
  for (const gid of told.accepted) if (!database.transactions.has(gid)) wrong.push(`lost: ${gid} was accepted and is not in the journal`);
  for (const [gid, row] of database.transactions) {
    const mine = effects.get(gid) ?? [];
    effects.delete(gid);
    if (row.summary.status === "never-started") {
      if (told.accepted.has(gid)) wrong.push(`untrue: ${gid} was accepted and never started`);
      if (mine.length > 0) wrong.push(`phantom: ${gid} never started and has effects`);
    } else {
      wrong.push(...checkOne(gid, row, mine, database, told));
    }
  }
  for (const gid of effects.keys()) wrong.push(`phantom: effects of ${gid}, which the journal does not know`);
  for (const [incarnation, seen] of sightings) if (seen.fencedWhileWell === true) wrong.push(`untimely: node ${incarnation} was fenced while it was well`);
  return wrong;
}

function checkOne(gid: string, row: MemoryRow, effects: readonly EffectRow[], database: MemoryDatabase, told: Told): string[] {
  const wrong: string[] = [];
  if (told.neverStarted.has(gid)) wrong.push(`untrue: ${gid} was reported as never started and did start`);
  let state: Transaction = UNBORN;
  let epoch = 0;
  for (const [index, entry] of row.entries.entries()) {
    if (entry.seq !== index + 1) wrong.push(`journal: ${gid} has entry ${entry.seq} at place ${index + 1}`);
    if (entry.epoch < epoch) wrong.push(`fencing: ${gid} has an entry of epoch ${entry.epoch} after epoch ${epoch}`);
    epoch = entry.epoch;
    try {
      for (const event of JSON.parse(entry.entry) as TransactionEvent[]) state = evolve(state, event, 0);
    } catch (error) {
      return [...wrong, `journal: ${gid} cannot be replayed: ${String(error)}`];
    }
  }
  if (state.kind !== row.summary.status) wrong.push(`journal: ${gid} replays to ${state.kind}, its header says ${row.summary.status}`);
  if (state.kind !== "committed" && state.kind !== "rolled-back") return [...wrong, `stuck: ${gid} is ${state.kind} in epoch ${row.epoch} of ${row.owner ?? "nobody"}${row.summary.parked === undefined ? "" : ` (${row.summary.parked})`}`];
  const ended = told.ended.get(gid);
  if (ended !== undefined && ended !== state.kind) wrong.push(`untrue: ${gid} was reported as ${ended} and is ${state.kind}`);
  for (const branch of state.branches) wrong.push(...checkBranch(gid, state.kind, branch, effects));
  for (const effect of effects) if (!state.branches.some((branch) => branch.name === effect.branch)) wrong.push(`phantom: ${gid}/${effect.branch} has an effect and is not registered`);
  if (state.kind === "rolled-back") wrong.push(...checkOrder(gid, state.branches, effects));
  const sent = database.outbox.filter((message) => state.messages.some((it) => it.id === message.id)).length;
  if (sent !== state.messages.length) wrong.push(`messages: ${gid} sent ${sent} of ${state.messages.length}`);
  return wrong;
}

function checkBranch(gid: string, end: "committed" | "rolled-back", branch: Branch, effects: readonly EffectRow[]): string[] {
  const wrong: string[] = [];
  const count = (...ops: string[]): number => effects.filter((effect) => effect.branch === branch.name && ops.includes(effect.op)).length;
  const forward = count("action", "try");
  const undone = count("compensate", "cancel");
  const confirmed = count("confirm");
  const where = `${gid}/${branch.name}`;
  if (forward > 1 || undone > 1 || confirmed > 1) wrong.push(`doubled: ${where} forward ${forward}, confirm ${confirmed}, undo ${undone}`);
  if (branch.offer.kind === "timer" || branch.offer.kind === "sql") return wrong;
  if (end === "rolled-back") {
    if (forward !== undone) wrong.push(`torn: ${where} rolled back with forward ${forward}, undo ${undone}`);
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
function checkOrder(gid: string, branches: readonly Branch[], effects: readonly EffectRow[]): string[] {
  const order = branches.filter((branch) => branch.offer.kind === "step").map((branch) => effects.findIndex((it) => it.branch === branch.name && it.op === "compensate"));
  const times = order.filter((index) => index >= 0).map((index) => effects[index]?.atMs ?? 0);
  return times.every((atMs, index) => index === 0 || atMs <= (times[index - 1] ?? atMs)) ? [] : [`order: ${gid} was not compensated in reverse`];
}
