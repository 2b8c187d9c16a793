import type { HeldKey, Retried, Retries, RetryRow, RetryState } from "../../outbox-log.ts";
import type { Connection } from "../connection.ts";
import { bareArray, storable, textArray, textIn } from "../rows.ts";
import { messageColumns, messageOf } from "./read.ts";

/** Columns that `retryOf` reads, of a row `o` of `tripact.outbox_retry`. */
export const retryColumns = `${messageColumns}, o.subscription, o.state, o.attempts, o.error, o.decided_by, o.decided_reason,
  (extract(epoch from o.copied_at) * 1000)::bigint::text as copied_at_ms, (extract(epoch from o.updated_at) * 1000)::bigint::text as updated_at_ms`;

/** The few that failed, and those of their keys behind them. */
export class PostgresRetries implements Retries {
  readonly #log: Connection;

  constructor(log: Connection) {
    this.#log = log;
  }

  async held({ subscription, lanes, limit }: { readonly subscription: string; readonly lanes: readonly number[]; readonly limit: number }): Promise<readonly HeldKey[]> {
    const { rows } = await this.#log.query({
      name: "tripact_outbox_held",
      reads: true,
      text: `
select * from (
  select distinct on (o.lane, o.topic, o.key) o.lane, o.topic, o.key, o.seq::text, o.id::text, o.state, o.attempts,
         count(*) over (partition by o.lane, o.topic, o.key)::int as count
    from tripact.outbox_retry o
   where o.subscription = $1 and o.lane = any ($2::smallint[]) and o.state in ('waiting', 'late', 'parked')
   order by o.lane, o.topic, o.key, o.seq
) heads order by seq::bigint limit $3`,
      values: [subscription, bareArray(lanes), limit],
    });
    return rows.map((row) => ({
      topic: textIn(row, "topic"),
      key: textIn(row, "key"),
      lane: Number(row["lane"]),
      count: Number(row["count"]),
      head: { seq: Number(row["seq"]), id: textIn(row, "id"), state: textIn(row, "state") as HeldKey["head"]["state"], attempts: Number(row["attempts"]) },
    }));
  }

  async next({ subscription, lane, topic, key, limit }: Parameters<Retries["next"]>[0]): Promise<readonly RetryRow[]> {
    const { rows } = await this.#log.query({
      name: "tripact_outbox_next",
      reads: true,
      text: `
select ${retryColumns} from tripact.outbox_retry o
 where o.subscription = $1 and o.lane = $2 and o.topic = $3 and o.key = $4 and o.state in ('waiting', 'late', 'parked')
 order by o.seq limit $5`,
      values: [subscription, lane, topic, key, limit],
    });
    const found = rows.map(retryOf);
    const parked = found.findIndex(({ state }) => state === "parked");
    return parked === -1 ? found : found.slice(0, parked + 1);
  }

  async record({ subscription, owner, retried }: { readonly subscription: string; readonly owner: string; readonly retried: readonly Retried[] }): Promise<readonly number[]> {
    const { rows } = await this.#log.query({
      name: "tripact_outbox_retried",
      text: `
with w as (
  select * from unnest($3::bigint[], $4::uuid[], $5::smallint[], $6::text[], $7::int[], $8::text[]) as w (seq, id, lane, state, attempts, error)
), mine as (
  select l.lane from tripact.outbox_lane l where l.subscription = $1 and l.owner = $2 and l.lane in (select lane from w) order by l.lane for share of l
), gone as (
  delete from tripact.outbox_retry o using w, mine
   where w.state = 'delivered' and mine.lane = w.lane and o.subscription = $1 and o.seq = w.seq and o.id = w.id and o.state <> 'discarded'
), kept as (
  update tripact.outbox_retry o set state = w.state, attempts = w.attempts, error = w.error, updated_at = clock_timestamp() from w, mine
   where w.state <> 'delivered' and mine.lane = w.lane and o.subscription = $1 and o.seq = w.seq and o.id = w.id and o.state <> 'discarded'
)
select lane from mine`,
      values: [
        subscription,
        owner,
        bareArray(retried.map(({ seq }) => seq)),
        bareArray(retried.map(({ id }) => id)),
        bareArray(retried.map(({ lane }) => lane)),
        textArray(retried.map(({ state }) => state)),
        bareArray(retried.map(({ attempts }) => attempts)),
        textArray(retried.map(({ error }) => (error === undefined ? undefined : storable(error)))),
      ],
    });
    return rows.map((row) => Number(row["lane"]));
  }
}

type Row = Readonly<Record<string, unknown>>;

export function retryOf(row: Row): RetryRow {
  return {
    message: messageOf(row),
    subscription: textIn(row, "subscription"),
    state: textIn(row, "state") as RetryState,
    attempts: Number(row["attempts"]),
    ...optional("error", row["error"]),
    ...optional("decidedBy", row["decided_by"]),
    ...optional("decidedReason", row["decided_reason"]),
    copiedAtMs: Number(row["copied_at_ms"]),
    updatedAtMs: Number(row["updated_at_ms"]),
  };
}

function optional<K extends "error" | "decidedBy" | "decidedReason">(key: K, value: unknown): { readonly [P in K]?: string } {
  const present: { [P in K]?: string } = {};
  if (typeof value === "string") present[key] = value;
  return present;
}
