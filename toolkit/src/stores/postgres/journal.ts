import { TripactError } from "../../protocol/errors.ts";
import type { Claim, Counts, Journal, JournalHeader, JournalRecord, ListQuery, Mail, PostVerdict, Verdict, WriteBatch } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Durability } from "./durability.ts";
import { appliedBy, verdicts, writeStatement } from "./flush.ts";
import { sqlStateOf } from "./outcome.ts";
import { bareArray, headerColumns, headerOf, mailOf, recordOf, textArray, textIn } from "./rows.ts";
import type { Session, Statement } from "./session.ts";

export interface JournalConnections {
  /** Group commit, and nothing else. */
  readonly flush: Connection;
  /** Takeover: waits neither behind new work nor behind those who ask how it stands. */
  readonly recovery: Connection;
  /** Everything that people and other nodes ask for. */
  readonly ops: Connection;
}

/** The recovery connection's `lock_timeout`. */
export const CLAIM_WAITS_MS = 200;
const POST_TRIES_MAX = 5;

/** The journal's methods in the port's order; `write` lives in flush.ts. */
export class PostgresJournal implements Journal {
  readonly #connections: JournalConnections;
  readonly #durability: Durability;
  /** Few: only those whose reply was lost. Asking for all would read every open row of the claimant's at each claim. */
  readonly #claimsInDoubt = new Set<string>();

  constructor(connections: JournalConnections, durability: Durability) {
    this.#connections = connections;
    this.#durability = durability;
  }

  async write(batch: WriteBatch): Promise<readonly Verdict[]> {
    if (batch.writes.length === 0) return [];
    this.#durability.refuseWhileStandbyIsLost();
    // Made up before its turn comes, while the flush before it is still out.
    const statement = writeStatement(batch);
    return this.#connections.flush.exclusive(async (session) => {
      const result = await session.query(statement);
      if (appliedBy(result) === batch.writes.length) return batch.writes.map(() => "applied");
      await this.#durability.settle(session);
      return verdicts(session, batch);
    });
  }

  async read(gids: readonly string[], purpose?: "takeover"): Promise<readonly JournalRecord[]> {
    if (gids.length === 0) return [];
    const connection = purpose === "takeover" ? this.#connections.recovery : this.#connections.ops;
    const { rows } = await connection.query({
      name: "tripact_read",
      reads: true,
      // One statement, one snapshot: header, entries and mail belong together. Each list is JSON made of text columns.
      text: `
select ${headerColumns},
       coalesce((
         select json_agg(json_build_object('seq', e.seq, 'epoch', e.epoch, 'owner', e.owner, 'entry', e.entry,
                'recorded_at_ms', (extract(epoch from e.recorded_at) * 1000)::bigint,
                'age_ms', (extract(epoch from clock_timestamp() - e.recorded_at) * 1000)::bigint) order by e.seq)
           from (select 1 as seq, case when t.opening_owner is null then 0 else 1 end as epoch, t.opening_owner as owner, t.opening as entry,
                        t.started_at as recorded_at where t.opening is not null
                 union all
                 select seq, epoch, owner, entry, recorded_at from tripact.entry where gid = t.gid) e), '[]')::text as entries,
       coalesce((
         select json_agg(json_build_object('gid', m.gid, 'n', m.n, 'body', m.body) order by m.n)
           from tripact.mail m where m.gid = t.gid and m.n > t.mail_seen), '[]')::text as unread
  from tripact.transaction t where t.gid = any ($1::text[]) order by t.gid`,
      values: [textArray(gids)],
    });
    return rows.map(recordOf);
  }

  /**
   * Takes what nobody owns, and what a node owns whose row is fenced or gone: any such node, or one of `from` (owners are few; they are
   * found by stepping through the index). Waits shortly for row locks, because a dead owner's last flush may still be committing; what is locked for longer is skipped and
   * found by the next claim. In gid order, as flushes lock, so that no two can deadlock.
   */
  async claim(claim: Claim): Promise<readonly string[]> {
    return this.#connections.recovery.exclusive(async (session) => {
      if (this.#claimsInDoubt.has(claim.claimId)) {
        const taken = await claimedUnder(session, claim);
        this.#claimsInDoubt.delete(claim.claimId);
        if (taken.length > 0) return taken;
      }
      try {
        return await claimWith(session, claim, "for update of t");
      } catch (error) {
        if (!(error instanceof TripactError)) throw error;
        if (error.code === "store-unknown") this.#claimsInDoubt.add(claim.claimId);
        if (sqlStateOf(error.cause) !== "55P03") throw error;
        return await claimWith(session, claim, "for update of t skip locked");
      }
    });
  }

  async release(owner: string, gids: readonly string[]): Promise<void> {
    await this.#connections.ops.query({
      name: "tripact_release",
      text: `
with mine as (
  select gid from tripact.transaction where gid = any ($2::text[]) and owner = $1 and ended_at is null order by gid for update
)
update tripact.transaction t set owner = null, updated_at = clock_timestamp() from mine where t.gid = mine.gid`,
      values: [owner, textArray(gids)],
    });
  }

  async post(gid: string, body: string): Promise<PostVerdict> {
    return this.#connections.ops.exclusive(async (session) => {
      for (let tries = 0; tries < POST_TRIES_MAX; tries += 1) {
        const settled = (await leaveMail(session, gid, body)) ?? (await writeTombstone(session, gid)) ?? (await ended(session, gid));
        if (settled !== undefined) return settled;
      }
      throw new TripactError("store-unreachable", "This transaction appears and vanishes at every look.", { where: gid, hint: "Nothing was written." });
    });
  }

  async mail(owner: string, limit: number): Promise<readonly Mail[]> {
    const { rows } = await this.#connections.ops.query({
      name: "tripact_mail",
      reads: true,
      text: `
select m.gid, m.n, m.body
  from tripact.transaction t join tripact.mail m on m.gid = t.gid and m.n > t.mail_seen
 where t.owner = $1 and t.ended_at is null and t.mail > t.mail_seen
 order by m.gid, m.n limit $2`,
      values: [owner, limit],
    });
    return rows.map(mailOf);
  }

  async list(query: ListQuery): Promise<readonly JournalHeader[]> {
    const { rows } = await this.#connections.ops.query({
      reads: true,
      text: `
select * from (${newest("not t.pruned", query.state)} union all ${newest("t.pruned", query.state)}) t
 order by started_at desc, gid desc limit $4`,
      values: [query.definition ?? null, query.before?.startedAtMs ?? null, query.before?.gid ?? null, query.limit, query.gid ?? null],
    });
    return rows.map(headerOf);
  }

  async counts(): Promise<Counts> {
    const { rows } = await this.#connections.ops.query({
      name: "tripact_counts",
      reads: true,
      text: `
select count(*) as open, count(*) filter (where parked is not null) as parked, count(*) filter (where late) as late,
       count(*) filter (where n.incarnation is null) as unclaimed
  from tripact.transaction t left join tripact.node n on n.incarnation = t.owner and n.fenced_at is null
 where t.ended_at is null`,
    });
    const row = rows[0] ?? {};
    return { open: Number(row["open"]), parked: Number(row["parked"]), late: Number(row["late"]), unclaimed: Number(row["unclaimed"]) };
  }

  async prune(retention: { readonly entriesMs: number; readonly headersMs: number; readonly limit: number }): Promise<number> {
    return this.#connections.ops.exclusive(async (session) => {
      const emptied = await session.query(pruneEntries(retention.entriesMs, retention.limit));
      const deleted = await session.query(pruneHeaders(retention.headersMs, retention.limit));
      // A fenced node's row stays for an hour, so that it learns of its fate when it wakes up.
      await session.query({
        text: `
delete from tripact.node n
 where fenced_at < clock_timestamp() - interval '1 hour'
   and not exists (select from tripact.transaction t where t.owner = n.incarnation and t.ended_at is null)`,
      });
      return Number(emptied.rows[0]?.["pruned"]) + Number(deleted.rows[0]?.["pruned"]);
    });
  }
}

// The index by age has two halves; the newest of each, and of these the newest.
function newest(half: string, state: ListQuery["state"]): string {
  return `
(select ${headerColumns}, t.started_at
   from tripact.transaction t
  where ${half} and ${conditionOf(state)}
    and ($1::text is null or t.definition = $1)
    and ($5::text is null or t.gid = $5)
    and ($2::float8 is null or t.started_at <= to_timestamp($2 / 1000)::timestamptz(3))
    and ($2::float8 is null or (t.started_at, t.gid) < (to_timestamp($2 / 1000)::timestamptz(3), $3::text))
  order by t.started_at desc, t.gid desc limit $4)`;
}

// Plain conditions, one per state, so that the partial index matches.
function conditionOf(state: ListQuery["state"]): string {
  switch (state) {
    case undefined:
      return "true";
    case "open":
      return "t.ended_at is null";
    case "ended":
      return "t.ended_at is not null";
    case "parked":
      return "t.ended_at is null and t.parked is not null";
    case "late":
      return "t.ended_at is null and t.late";
    case "unclaimed":
      return "t.ended_at is null and not exists (select from tripact.node n where n.incarnation = t.owner and n.fenced_at is null)";
  }
}

async function claimWith(session: Session, claim: Claim, locking: string): Promise<readonly string[]> {
  const { rows } = await session.query({
    name: locking.endsWith("skip locked") ? "tripact_claim_unlocked" : "tripact_claim",
    text: `
with recursive owners as (
  (select owner from tripact.transaction where ended_at is null and owner is not null order by owner limit 1)
  union all
  select (select t.owner from tripact.transaction t where t.ended_at is null and t.owner > o.owner order by t.owner limit 1)
    from owners o where o.owner is not null
), dead as (
  select owner from owners o
   where owner <> $1 and (cardinality($2::uuid[]) = 0 or owner = any ($2))
     and not exists (select from tripact.node n where n.incarnation = o.owner and n.fenced_at is null)
), found as (
  select t.gid from tripact.transaction t
   where t.ended_at is null and (t.owner is null or t.owner = any (array(select owner from dead)))
     and exists (select from unnest($3::text[], $4::text[]) as runs (definition, version)
                  where runs.definition = t.definition and runs.version = t.version)
     and not exists (select from tripact.node me where me.incarnation = $1 and me.fenced_at is not null)
     and t.gid <> all ($7::text[])
   order by t.gid limit $5 ${locking}
)
update tripact.transaction t set owner = $1, epoch = t.epoch + 1, flush_id = $6, updated_at = clock_timestamp()
  from found where t.gid = found.gid
returning t.gid`,
    values: [
      claim.owner,
      bareArray(claim.from),
      textArray(claim.runs.map(({ definition }) => definition)),
      textArray(claim.runs.map(({ version }) => version)),
      claim.limit,
      claim.claimId,
      textArray(claim.except ?? []),
    ],
  });
  return rows.map((row) => textIn(row, "gid")).toSorted();
}

/** What an earlier try of this claim took, when its reply was lost. */
async function claimedUnder(session: Session, { claimId, owner }: Claim): Promise<readonly string[]> {
  const { rows } = await session.query({
    reads: true,
    text: `select gid from tripact.transaction where owner = $1 and ended_at is null and flush_id = $2 order by gid`,
    values: [owner, claimId],
  });
  return rows.map((row) => textIn(row, "gid"));
}

async function leaveMail(session: Session, gid: string, body: string): Promise<PostVerdict | undefined> {
  const { rows } = await session.query({
    name: "tripact_post",
    text: `
with u as (
  update tripact.transaction set mail = mail + 1 where gid = $1 and ended_at is null returning gid, mail, owner
), posted as (
  insert into tripact.mail (gid, n, body) select gid, mail, $2 from u
)
select mail, owner::text from u`,
    values: [gid, body],
  });
  const row = rows[0];
  if (row === undefined) return undefined;
  return { kind: "posted", owner: typeof row["owner"] === "string" ? row["owner"] : null, n: Number(row["mail"]) };
}

/** To answer "no" is to make it so: a late start meets this row. */
async function writeTombstone(session: Session, gid: string): Promise<PostVerdict | undefined> {
  const { rows } = await session.query({
    name: "tripact_tombstone",
    text: `
insert into tripact.transaction (gid, definition, version, input_hash, input, epoch, seq, status, late, ended_at)
values ($1, '', '', '', 'null', 0, 0, 'never-started', false, clock_timestamp())
on conflict (gid) do nothing returning gid`,
    values: [gid],
  });
  return rows.length === 1 ? { kind: "never-started" } : undefined;
}

async function ended(session: Session, gid: string): Promise<PostVerdict | undefined> {
  const { rows } = await session.query({
    reads: true,
    text: `select status from tripact.transaction where gid = $1 and ended_at is not null`,
    values: [gid],
  });
  const status = rows[0]?.["status"];
  if (status === undefined) return undefined;
  return { kind: status === "never-started" ? "never-started" : "ended" };
}

function pruneEntries(olderThanMs: number, limit: number): Statement {
  return {
    text: `
with old as (
  select gid from tripact.transaction
   where not pruned and started_at <= (clock_timestamp() - $1 * interval '1 millisecond')::timestamptz(3)
     and ended_at <= (clock_timestamp() - $1 * interval '1 millisecond')::timestamptz(3)
   order by started_at limit $2 for update skip locked
), entries as (
  delete from tripact.entry where gid in (select gid from old)
), mails as (
  delete from tripact.mail where gid in (select gid from old)
), headers as (
  update tripact.transaction t set pruned = true, opening = null, input = 'null' from old where t.gid = old.gid returning t.gid
)
select count(*) as pruned from headers`,
    values: [olderThanMs, limit],
  };
}

function pruneHeaders(olderThanMs: number, limit: number): Statement {
  return {
    text: `
with old as (
  select gid from tripact.transaction
   where pruned and started_at <= (clock_timestamp() - $1 * interval '1 millisecond')::timestamptz(3)
     and ended_at <= (clock_timestamp() - $1 * interval '1 millisecond')::timestamptz(3)
   order by started_at limit $2 for update skip locked
), headers as (
  delete from tripact.transaction t using old where t.gid = old.gid returning t.gid
)
select count(*) as pruned from headers`,
    values: [olderThanMs, limit],
  };
}
