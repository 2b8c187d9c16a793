/**
 * What is not finished, by tripact's own tables: its journal, its choreographies, its outbox. They are read for what they say, not with
 * its code. A mode that does not use one of them may not have it.
 */
import type { Client } from "pg";
import type { JournalLeftovers, MailboxLeftovers } from "../checkers/checker.ts";
import { has, type DatabaseName } from "./snapshot.ts";

/** Something to ask a database with. */
export interface Asked {
  readonly database: string;
  has(table: string): Promise<boolean>;
  read<Row extends object>(table: string, query: string): Promise<readonly Row[] | null>;
}

export function askedOf(database: DatabaseName, client: Client): Asked {
  return {
    database,
    has: (table) => has(client, table),
    read: async <Row extends object>(table: string, query: string) => ((await has(client, table)) ? (await client.query<Row>(query)).rows : null),
  };
}

/** Journal and choreographies together; `undefined` where there is neither. */
export async function journalOf(asked: Asked): Promise<JournalLeftovers | undefined> {
  const tables = ["tripact.transaction", "tripact.choreography"] as const;
  const parked = { "tripact.transaction": "count(parked)", "tripact.choreography": "0" };
  let found: JournalLeftovers | undefined;
  for (const table of tables) {
    const rows = await asked.read<{ open: number; parked: number }>(table, `select count(*)::int as open, ${parked[table]}::int as parked from ${table} where ended_at is null`);
    for (const row of rows ?? []) found = { database: asked.database, open: (found?.open ?? 0) + row.open, parked: (found?.parked ?? 0) + row.parked };
  }
  return found;
}

const UNREAD = `reader as materialized (
       select subscription, lane, seen::pg_snapshot as seen, upto::pg_snapshot as upto, after from tripact.outbox_position
     ), unread as (
       select r.subscription, o.id, o.recorded_at from reader r join tripact.outbox o on o.lane = r.lane
        where o.tx >= pg_snapshot_xmin(r.seen) and not pg_visible_in_snapshot(o.tx, r.seen)
          and (r.upto is null or o.seq > r.after or not pg_visible_in_snapshot(o.tx, r.upto))
     )`;

/**
 * Per subscription: rows of the log that are not behind its cursors, and rows of the retry table. A log with rows and no subscription
 * at all is mail for nobody, and waits.
 */
export async function mailboxesOf(asked: Asked): Promise<readonly MailboxLeftovers[]> {
  if (!(await asked.has("tripact.outbox_position"))) return [];
  const rows = await asked.read<Omit<MailboxLeftovers, "database">>(
    "tripact.outbox",
    `with ${UNREAD}, unread_by as (
       select subscription, count(*) as messages from unread group by subscription
     ), failed as (
       select subscription, count(*) filter (where state in ('waiting', 'late')) as waiting, count(*) filter (where state in ('parked', 'skipped')) as parked
         from tripact.outbox_retry group by subscription
     ), known as (
       select subscription from reader union select subscription from failed
     )
     select subscription, (coalesce(unread_by.messages, 0) + coalesce(failed.waiting, 0))::int as waiting, coalesce(failed.parked, 0)::int as parked
       from known left join unread_by using (subscription) left join failed using (subscription)
     union all
     select 'nobody', (select count(*) from tripact.outbox)::int, 0 where not exists (select from known)`,
  );
  return (rows ?? []).map(({ subscription, waiting, parked }) => ({ database: asked.database, subscription, waiting, parked }));
}

/**
 * The ids of messages that are at least so old, by the database's own clock, and still before their subscription's cursor or in its retry table. A
 * relay stores its cursors every now and then, so some of them may have had their effect: the inbox of their consumer knows.
 */
export async function overdueMailOf(asked: Asked, { olderThanMs, most }: { readonly olderThanMs: number; readonly most: number }): Promise<readonly string[]> {
  if (!(await asked.has("tripact.outbox_position"))) return [];
  const rows = await asked.read<{ id: string }>(
    "tripact.outbox",
    `with ${UNREAD}, waiting as (
       select id, recorded_at from unread
       union all
       select id, recorded_at from tripact.outbox_retry where state in ('waiting', 'late')
     )
     select distinct id::text from waiting where recorded_at < clock_timestamp() - ${Math.round(olderThanMs)} * interval '1 millisecond' limit ${Math.round(most)}`,
  );
  return (rows ?? []).map(({ id }) => id);
}
