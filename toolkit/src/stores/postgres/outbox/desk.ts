import { TripactError } from "../../../protocol/errors.ts";
import { refuseUnknown } from "../../outbox-log.ts";
import type { Desk, DeskDecision, DeskQuery, LoggedMessage, RetryRow, Standing, SubscriptionStanding } from "../../outbox-log.ts";
import type { Connection } from "../connection.ts";
import { textIn } from "../rows.ts";
import { messageColumns, messageOf } from "./read.ts";
import { retryColumns, retryOf } from "./retries.ts";

/** For people, on a connection that nobody else waits for. What they decide is durable. */
export class PostgresDesk implements Desk {
  readonly #ops: Connection;
  /** Tells the relays to look again. */
  readonly #announce: () => void;

  constructor(ops: Connection, announce: () => void) {
    this.#ops = ops;
    this.#announce = announce;
  }

  async list({ subscription, state, topic, key, limit }: DeskQuery): Promise<readonly RetryRow[]> {
    await this.#refuseUnknown(subscription);
    const { rows } = await this.#ops.query({
      reads: true,
      text: `
select ${retryColumns} from tripact.outbox_retry o
 where ($1::text is null or o.subscription = $1) and ($2::text is null or o.state = $2) and ($3::text is null or o.topic = $3) and ($4::text is null or o.key = $4)
 order by o.seq, o.subscription limit $5`,
      values: [subscription ?? null, state ?? null, topic ?? null, key ?? null, limit],
    });
    return rows.map(retryOf);
  }

  async find(id: string): Promise<{ readonly message: LoggedMessage; readonly standings: readonly Standing[] } | undefined> {
    return this.#ops.exclusive(async (session) => {
      const retries = (
        await session.query({ reads: true, text: `select ${retryColumns} from tripact.outbox_retry o where o.id = $1::uuid order by o.subscription`, values: [id] })
      ).rows.map(retryOf);
      const logged = await session.query({ reads: true, text: `select ${messageColumns} from tripact.outbox o where o.id = $1::uuid limit 1`, values: [id] });
      const message = logged.rows[0] === undefined ? retries[0]?.message : messageOf(logged.rows[0]);
      if (message === undefined) return undefined;
      const { rows } = await session.query({
        reads: true,
        text: `
select l.subscription,
       exists (select from tripact.outbox o where o.id = $1::uuid
                  and not pg_visible_in_snapshot(o.tx, l.seen::pg_snapshot)
                  and (l.upto is null or o.seq > l.after or not pg_visible_in_snapshot(o.tx, l.upto::pg_snapshot))) as pending,
       (select first.id::text from tripact.outbox_retry first
         where first.subscription = l.subscription and first.lane = l.lane and first.topic = $3 and first.key = $4
           and first.state in ('waiting', 'late', 'parked') order by first.seq limit 1) as behind
  from tripact.outbox_position l where l.lane = $2 order by l.subscription`,
        values: [id, message.lane, message.topic, message.key],
      });
      return { message, standings: rows.map((row) => standingOf(row, id, retries)) };
    });
  }

  async requeue(decision: DeskDecision): Promise<number> {
    return this.#decide(decision, `state = 'waiting', attempts = 0, error = null`, `state in ('parked', 'skipped', 'late', 'waiting')`);
  }

  async discard(decision: DeskDecision): Promise<number> {
    if (decision.ids === "all-parked") throw new TripactError("invalid-input", "To discard, name each message.", { where: "ids" });
    return this.#decide(decision, `state = 'discarded'`, `state <> 'discarded'`);
  }

  async standings(): Promise<readonly SubscriptionStanding[]> {
    const { rows } = await this.#ops.query({
      reads: true,
      text: `
with lagging as (
  select l.subscription, count(*) as pending, min(o.recorded_at) as oldest
    from tripact.outbox_position l join tripact.outbox o on o.lane = l.lane
   where o.tx >= pg_snapshot_xmin(l.seen::pg_snapshot) and not pg_visible_in_snapshot(o.tx, l.seen::pg_snapshot)
     and (l.upto is null or o.seq > l.after or not pg_visible_in_snapshot(o.tx, l.upto::pg_snapshot))
   group by l.subscription
), retry as (
  select subscription, count(*) filter (where state = 'waiting') as waiting, count(*) filter (where state = 'late') as late,
         count(*) filter (where state = 'parked') as parked, count(*) filter (where state = 'skipped') as skipped
    from tripact.outbox_retry group by subscription
)
select s.subscription, coalesce(g.pending, 0)::text as pending,
       coalesce(extract(epoch from clock_timestamp() - g.oldest) * 1000, 0)::bigint::text as oldest_pending_ms,
       coalesce(r.waiting, 0)::int as waiting, coalesce(r.late, 0)::int as late, coalesce(r.parked, 0)::int as parked, coalesce(r.skipped, 0)::int as skipped
  from (select distinct subscription from tripact.outbox_lane) s
  left join lagging g using (subscription) left join retry r using (subscription)
 order by s.subscription`,
    });
    return rows.map((row) => ({
      subscription: textIn(row, "subscription"),
      pending: Number(row["pending"]),
      oldestPendingMs: Math.max(0, Number(row["oldest_pending_ms"])),
      waiting: Number(row["waiting"]),
      late: Number(row["late"]),
      parked: Number(row["parked"]),
      skipped: Number(row["skipped"]),
    }));
  }

  /** A misspelt name would look like one with nothing to tell. */
  async #refuseUnknown(subscription: string | undefined): Promise<void> {
    if (subscription === undefined) return;
    const { rows } = await this.#ops.query({ reads: true, text: `select distinct subscription from tripact.outbox_lane order by 1` });
    refuseUnknown(subscription, rows.map((row) => textIn(row, "subscription")));
  }

  async #decide({ ids, subscription, who, reason }: DeskDecision, change: string, from: string): Promise<number> {
    await this.#refuseUnknown(subscription);
    const { rowCount } = await this.#ops.query({
      text: `
update tripact.outbox_retry set ${change}, decided_by = $1, decided_reason = $2, updated_at = clock_timestamp()
 where ${from} and ($3::uuid[] is null and state in ('parked', 'skipped') or id = any ($3::uuid[])) and ($4::text is null or subscription = $4)`,
      values: [who, reason, ids === "all-parked" ? null : [...ids], subscription ?? null],
    });
    this.#announce();
    return rowCount ?? 0;
  }
}

function standingOf(row: Readonly<Record<string, unknown>>, id: string, retries: readonly RetryRow[]): Standing {
  const subscription = textIn(row, "subscription");
  const retry = retries.find((it) => it.subscription === subscription);
  const { behind } = row;
  return {
    subscription,
    state: retry?.state ?? (row["pending"] === true ? "pending" : "settled"),
    ...(retry === undefined ? {} : { retry }),
    ...(typeof behind === "string" && behind !== id && (retry === undefined ? row["pending"] === true : retry.state === "waiting") ? { behind } : {}),
  };
}
