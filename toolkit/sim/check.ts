import type { MemoryDatabase, MemoryRow } from "../src/stores/memory/database.ts";
import { violationsOfTransaction, type Effect } from "../src/testing/effects.ts";
import type { Service } from "./participants.ts";
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
  const effects = new Map<string, Effect[]>();
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

function checkOne(gid: string, row: MemoryRow, effects: readonly Effect[], database: MemoryDatabase, told: Told): string[] {
  const wrong = violationsOfTransaction(gid, row, effects, database.outbox);
  if (told.neverStarted.has(gid)) wrong.push(`untrue: ${gid} was reported as never started and did start`);
  const ended = told.ended.get(gid);
  if (ended !== undefined && ended !== row.summary.status) wrong.push(`untrue: ${gid} was reported as ${ended} and is ${row.summary.status}`);
  return wrong;
}
