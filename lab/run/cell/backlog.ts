/**
 * How much mail is overdue, looked at while the sale goes on: it is back at baseline only when what the fault has held up is through. By the
 * inboxes of the services: relays store their cursors only every now and then, and those pass over what is of no interest to them. Each kind
 * of message has one consumer here, so whoever has its row is the one.
 */
import { machineMs } from "@tripact/testbed";
import type { Client } from "pg";
import { askedOf, overdueMailOf } from "../../evidence/leftovers.ts";
import { has, type DatabaseName } from "../../evidence/snapshot.ts";
import type { Level } from "../../measures/rto.ts";
import type { SaleDatabases } from "../../platform/databases.ts";
import { Asking, lookAgainAndAgain, type Looking } from "./asking.ts";

const EVERY_MS = 200;
const ASK_CAP_MS = 2_000;
/** Several times what a message takes. Mail that is just on its way is no backlog, and two looks a moment apart find different amounts of it. */
const OVERDUE_MS = 500;
/** Of one database: more than a look can tell apart. */
const MAIL_MAX = 5_000;
/** More than an hour of them. */
const LEVELS_MAX = 10_000;

export interface BacklogWatch extends Looking {
  /** By the machine's monotonic clock, oldest first. What could not be asked is no level. */
  readonly levels: readonly Level[];
}

export function watchBacklog(urls: SaleDatabases["urls"]): BacklogWatch {
  const levels: Level[] = [];
  const databases = (Object.keys(urls) as DatabaseName[]).map((name) => new Asking(name, urls[name], ASK_CAP_MS));
  const look = async (): Promise<void> => {
    const atMs = machineMs();
    const level = await overdueIn(databases);
    if (level !== undefined) levels.push({ atMs, level });
  };
  const looking = lookAgainAndAgain({ everyMs: EVERY_MS, most: LEVELS_MAX }, look, () => Promise.all(databases.map((database) => database.close())));
  return { levels, stop: () => looking.stop() };
}

/** Undefined where one of them could not tell. */
async function overdueIn(databases: readonly Asking[]): Promise<number | undefined> {
  const all = await Promise.all(databases.map((outbox) => outbox.ask((client) => overdueMailOf(askedOf(outbox.name, client), { olderThanMs: OVERDUE_MS, most: MAIL_MAX }))));
  let overdue = 0;
  for (const [index, outbox] of databases.entries()) {
    const mail = all[index];
    const waiting = mail === undefined ? undefined : await notApplied(outbox.name, mail, databases);
    if (waiting === undefined) return undefined;
    overdue += waiting;
  }
  return overdue;
}

async function notApplied(source: DatabaseName, ids: readonly string[], databases: readonly Asking[]): Promise<number | undefined> {
  const waiting = new Set(ids);
  for (const consumer of databases) {
    if (waiting.size === 0) break;
    const applied = await consumer.ask((client) => inboxHolds(client, source, [...waiting]));
    if (applied === undefined) return undefined;
    for (const id of applied) waiting.delete(id);
  }
  return waiting.size;
}

async function inboxHolds(client: Client, source: string, ids: readonly string[]): Promise<readonly string[]> {
  if (!(await has(client, "tripact.inbox"))) return [];
  const { rows } = await client.query<{ id: string }>("select distinct id from tripact.inbox where source = $1 and id = any($2::text[])", [source, ids]);
  return rows.map(({ id }) => id);
}
