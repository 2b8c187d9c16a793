import { TripactError } from "../../../protocol/errors.ts";
import type { ClaimedLane, LaneRow, Lanes, Settlement } from "../../outbox-log.ts";
import type { Connection } from "../connection.ts";
import { bareArray, storable, textArray, textIn } from "../rows.ts";
import type { Session, Statement } from "../session.ts";
import { cursorOf, NOTHING_SEEN, positionOf } from "./cursor.ts";

export interface LanesParts {
  /** The one session that cursors belong to. */
  readonly log: Connection;
  readonly ops: Connection;
  /** Numbers the session. */
  readonly numberOf: (session: Session) => number;
}

/** Who reads which lanes of a subscription, and how far they are settled. */
export class PostgresLanes implements Lanes {
  readonly #parts: LanesParts;

  constructor(parts: LanesParts) {
    this.#parts = parts;
  }

  async claim({ subscription, owner, lanes }: { readonly subscription: string; readonly owner: string; readonly lanes: readonly number[] }): Promise<readonly ClaimedLane[]> {
    return this.#parts.log.exclusive(async (session) => {
      const moved = await session.query(anyMoved);
      if (moved.rows.length > 0) await session.query(adoptMoved);
      const claiming = claimStatement(subscription, owner, lanes);
      let { rows } = await session.query(claiming);
      // The usual answer to a subscription that is new is the usual answer to one that somebody else has: none.
      if (rows.length === 0 && (await session.query(makeLanes(subscription))).rows.length > 0) ({ rows } = await session.query(claiming));
      return rows
        .map((row) => ({
          lane: Number(row["lane"]),
          epoch: Number(row["epoch"]),
          cursor: cursorOf({
            session: this.#parts.numberOf(session),
            seen: textIn(row, "seen"),
            ...(row["upto"] === null ? {} : { upto: { snapshot: textIn(row, "upto"), after: textIn(row, "after") } }),
          }),
          restarted: row["restarted"] === true,
        }))
        .toSorted((a, b) => a.lane - b.lane);
    });
  }

  async release({ subscription, owner, lanes }: { readonly subscription: string; readonly owner: string; readonly lanes: readonly number[] }): Promise<void> {
    await this.#parts.log.query({
      text: `
with mine as (
  select lane from tripact.outbox_lane where subscription = $1 and owner = $2 and lane = any ($3::smallint[]) order by lane for update
)
update tripact.outbox_lane l
   set owner = null, seen = p.seen, upto = p.upto, after = p.after, since = p.n
  from mine join tripact.outbox_position p on p.subscription = $1 and p.lane = mine.lane
 where l.subscription = $1 and l.lane = mine.lane`,
      values: [subscription, owner, bareArray(lanes)],
    });
  }

  async list(subscription?: string): Promise<readonly LaneRow[]> {
    const { rows } = await this.#parts.ops.query({
      reads: true,
      text: `select subscription, lane, owner::text, epoch::text from tripact.outbox_lane where $1::text is null or subscription = $1 order by subscription, lane`,
      values: [subscription ?? null],
    });
    return rows.map((row) => ({
      subscription: textIn(row, "subscription"),
      lane: Number(row["lane"]),
      owner: typeof row["owner"] === "string" ? row["owner"] : null,
      epoch: Number(row["epoch"]),
    }));
  }
}

/**
 * Rows that came along from another cluster with ids from its future: no snapshot here would see them for as long. They become this
 * transaction's. Asked first, because Postgres refuses an update that finds nothing, too, where a publication covers the table.
 */
const anyMoved: Statement = {
  reads: true,
  text: `select from tripact.outbox where tx >= pg_snapshot_xmax(pg_current_snapshot()) limit 1`,
};
const adoptMoved: Statement = {
  text: `update tripact.outbox set tx = pg_current_xact_id() where tx >= pg_snapshot_xmax(pg_current_snapshot())`,
};

/** A new subscription's lanes, at the oldest message. */
function makeLanes(subscription: string): Statement {
  return {
    text: `
insert into tripact.outbox_lane (subscription, lane, seen, system_identifier)
select $1, n, '${NOTHING_SEEN}', system_identifier::text from pg_control_system(), generate_series(0, 63) as n
 where not exists (select from tripact.outbox_lane where subscription = $1)
on conflict do nothing
returning lane`,
    values: [subscription],
  };
}

/**
 * A lane is free when nobody alive owns it. Its cursor comes with the claim, from the row that the claim has locked. Transaction ids
 * of another cluster, or from a future that this one has not seen, say nothing here: the lane begins anew.
 */
function claimStatement(subscription: string, owner: string, lanes: readonly number[]): Statement {
  return {
    text: `
with here as materialized (
  select system_identifier::text as id, pg_snapshot_xmax(pg_current_snapshot()) as xmax from pg_control_system()
), free as (
  select l.lane, p.seen, p.upto, p.after, l.system_identifier <> here.id or pg_snapshot_xmax(p.seen::pg_snapshot) > here.xmax as restarted
    from tripact.outbox_lane l join tripact.outbox_position p on p.subscription = l.subscription and p.lane = l.lane, here
   where l.subscription = $1 and l.lane = any ($3::smallint[])
     and (l.owner is null or l.owner = $2 or not exists (select from tripact.node n where n.incarnation = l.owner and n.fenced_at is null))
     and exists (select from tripact.node me where me.incarnation = $2 and me.fenced_at is null)
   order by l.lane for update of l
)
update tripact.outbox_lane l
   set owner = $2, epoch = l.epoch + 1, system_identifier = here.id, since = nextval('tripact.outbox_progress_n'),
       seen = case when restarted then '${NOTHING_SEEN}' else free.seen end,
       upto = case when restarted then null else free.upto end, after = case when restarted then null else free.after end
  from free, here where l.subscription = $1 and l.lane = free.lane
returning l.lane, l.epoch::text, l.seen, l.upto, l.after::text, free.restarted`,
    values: [subscription, owner, bareArray(lanes)],
  };
}

/**
 * Cursor and copies in one chain: the lanes' rows are locked against whoever would claim them, and only what is still ours is moved and
 * takes its copies along. A message that is copied twice (a lost reply) is there already; progress that is told twice is the same.
 *
 * A mere cursor locks nothing: 64 locked rows are 64 written rows, and cost more than a message. Should somebody claim a lane at that very moment, what is
 * appended here is passed over, because progress counts only for the lane's owner, and only above the number that his claim has drawn.
 */
export function settleStatement(settlement: Settlement): Statement {
  const { subscription, owner, lanes, cursor, copies } = settlement;
  const { seen, upto } = positionOf(cursor);
  return {
    ...(copies.length === 0 ? { name: "tripact_outbox_settle" } : {}),
    text: `
with mine as (
  select l.lane from tripact.outbox_lane l join unnest($3::smallint[], $4::bigint[]) as w (lane, epoch) on w.lane = l.lane and w.epoch = l.epoch
   where l.subscription = $1 and l.owner = $2 order by l.lane${copies.length === 0 ? "" : " for share of l"}
), moved as (
  insert into tripact.outbox_progress (subscription, owner, lanes, seen, upto, after)
  select $1, $2, array_agg(lane), $5, $6, $7 from mine having count(*) > 0
)${copies.length === 0 ? "" : copied}
select lane from mine`,
    values: [
      subscription,
      owner,
      bareArray(lanes.map(({ lane }) => lane)),
      bareArray(lanes.map(({ epoch }) => epoch)),
      seen,
      upto?.snapshot ?? null,
      upto?.after ?? null,
      ...(copies.length === 0 ? [] : copyColumns(copies)),
    ],
  };
}

const copied = `, copied as (
  insert into tripact.outbox_retry (subscription, seq, id, lane, topic, key, payload, headers, recorded_at, state, attempts, error)
  select $1, c.seq, c.id, c.lane, c.topic, c.key, c.payload, c.headers, to_timestamp(c.recorded_at_ms / 1000.0), c.state, c.attempts, c.error
    from mine join unnest($8::bigint[], $9::uuid[], $10::smallint[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bigint[], $16::text[], $17::int[], $18::text[])
      as c (seq, id, lane, topic, key, payload, headers, recorded_at_ms, state, attempts, error) on c.lane = mine.lane
  on conflict do nothing
)`;

function copyColumns(copies: Settlement["copies"]): readonly unknown[] {
  return [
    bareArray(copies.map(({ message }) => message.seq)),
    bareArray(copies.map(({ message }) => message.id)),
    bareArray(copies.map(({ message }) => message.lane)),
    textArray(copies.map(({ message }) => message.topic)),
    textArray(copies.map(({ message }) => message.key)),
    textArray(copies.map(({ message }) => message.payload)),
    textArray(copies.map(({ message }) => message.headers)),
    bareArray(copies.map(({ message }) => message.recordedAtMs)),
    textArray(copies.map(({ state }) => state)),
    bareArray(copies.map(({ attempts }) => attempts)),
    textArray(copies.map(({ error }) => (error === undefined ? undefined : storable(error)))),
  ];
}

export function refuseOldSession(cursor: string, number: number): void {
  if (positionOf(cursor).session === number) return;
  throw new TripactError("cursor-lost", "The session that this cursor was read in has ended.", { where: "outbox", hint: "Claim the lanes again." });
}
