import { TripactError } from "../../../protocol/errors.ts";
import type { Connection } from "../connection.ts";
import { sqlStateOf } from "../outcome.ts";
import type { Session } from "../session.ts";

const PARTITIONS = Array.from({ length: 16 }, (_, slot) => `tripact.outbox_${String(slot).padStart(2, "0")}`);
/** Nobody writes to a partition whose time is over, but somebody may be writing late: he goes first. */
const LOCK_WAITS_MS = 50;

/**
 * Empties partitions whose time is over, whose rows are older than `keepMs` and settled by every subscription. The lock comes first: with it
 * there is no uncommitted row in there, and none can come in between. `truncate` locks that partition alone; business inserts go
 * elsewhere. Without any subscription nothing goes: nobody has read it yet.
 */
export async function tidy(log: Connection, keepMs: number): Promise<number> {
  let emptied = 0;
  for (const partition of PARTITIONS) {
    if (await log.exclusive((session) => emptyOne(session, partition, keepMs))) emptied += 1;
  }
  return emptied;
}

/**
 * Folds what was appended into the lanes' rows, and deletes what is in there: an owner's from the old end, and what owners without lanes have left
 * behind. Any node may do it for all.
 */
export async function fold(log: Connection): Promise<void> {
  await log.exclusive(async (session) => {
    await session.query({
      text: `
with newest as (
  select subscription, owner, max(n) as n from tripact.outbox_progress group by subscription, owner
), stands as (
  select l.subscription, l.lane, newest.n, p.seen, p.upto, p.after
    from tripact.outbox_lane l join newest on newest.subscription = l.subscription and newest.owner = l.owner
         join tripact.outbox_position p on p.subscription = l.subscription and p.lane = l.lane
   where newest.n > l.since order by l.subscription, l.lane for update of l
)
update tripact.outbox_lane l set seen = stands.seen, upto = stands.upto, after = stands.after, since = stands.n
  from stands where l.subscription = stands.subscription and l.lane = stands.lane`,
    });
    await session.query({
      text: `
delete from tripact.outbox_progress p
 where not exists (select from tripact.outbox_lane l where l.subscription = p.subscription and l.owner = p.owner and l.since < p.n)`,
    });
  });
}

async function emptyOne(session: Session, partition: string, keepMs: number): Promise<boolean> {
  if (!(await isOver(session, partition, keepMs))) return false;
  try {
    await session.query({ text: "begin" });
    await session.query({ text: `set local lock_timeout = ${LOCK_WAITS_MS}` });
    await session.query({ text: `lock table only ${partition} in access exclusive mode` });
    const over = await isOver(session, partition, keepMs);
    if (over) await session.query({ text: `truncate only ${partition}` });
    await session.query({ text: over ? "commit" : "rollback" });
    return over;
  } catch (error) {
    if (!session.over) await session.query({ text: "rollback" });
    // Somebody reads or writes there: the next round will do.
    if (error instanceof TripactError && sqlStateOf(error.cause) === "55P03") return false;
    throw error;
  }
}

/**
 * Settled: no cursor has a row of this partition still before it. An idle writer somewhere in the cluster, which every cursor names as running for ever, does not
 * hold it up.
 */
async function isOver(session: Session, partition: string, keepMs: number): Promise<boolean> {
  const { rows } = await session.query({
    reads: true,
    text: `
select last.slot <> tripact.outbox_slot()
       and last.recorded_at < clock_timestamp() - $1 * interval '1 millisecond'
       and exists (select from tripact.outbox_lane)
       and not exists (
         select from (select seen::pg_snapshot from (select distinct seen from tripact.outbox_position) d) c
          where exists (select from ${partition} o where o.tx >= pg_snapshot_xmax(c.seen))
             or exists (select from ${partition} o where o.tx = any (array(select pg_snapshot_xip(c.seen))))
       ) as over
  from (select slot, recorded_at from ${partition} order by tx desc limit 1) last`,
    values: [keepMs],
  });
  return rows[0]?.["over"] === true;
}
