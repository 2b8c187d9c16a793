/**
 * The inbox: a delivery counts once per consumer. Its row is written in the consumer's own transaction, beside the effect:
 *
 *     const inbox = postgresInbox();
 *     await pgTransactions(pool)((db) => inbox.once(db, { source, id, consumer: "mailer" }, () => queueMail(db, event)));
 *
 * It knows messages, not transactions: it does not guard against an undo that overtakes its action. A step of a choreographed saga
 * therefore takes the barrier. `migrateBarrier` creates its table.
 */
import { TripactError } from "../protocol/errors.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { explained, guarded, refuseIsolation } from "./guard.ts";

export interface Delivery {
  /** Who sent it: ids are unique within a source. */
  readonly source: string;
  /** The message's id, the same for every delivery. */
  readonly id: string;
  /** Which of this database's consumers asks; each gets the message once. */
  readonly consumer: string;
}

/** `repeated`: an earlier delivery was handled and committed; acknowledge this one as well. */
export type Received<T> = { readonly kind: "first"; readonly result: T } | { readonly kind: "repeated" };

export interface InboxOptions {
  /** How long a delivery is remembered, and so the longest time after which a sender may repeat it. Default 14 days. */
  readonly rememberMs?: number;
}

export interface Inbox {
  /**
   * Calls `body` unless this consumer handled the delivery before. A concurrent duplicate waits for the first to commit or roll back.
   * `db` is the caller's own open transaction (read committed); whatever `body` throws comes out, with nothing of it left behind.
   * Throws `invalid-input` for an empty or overlong name, `barrier-misuse` as the barrier does.
   */
  once<T>(db: SqlExecutor, delivery: Delivery, body: () => Promise<T>): Promise<Received<T>>;
  /**
   * For a batch: remembers these deliveries, and says for each whether it is the first. In one statement, in the transaction of whatever is then done
   * for the first ones. Throws as `once` does.
   */
  first(db: SqlExecutor, consumer: string, deliveries: readonly Omit<Delivery, "consumer">[]): Promise<readonly boolean[]>;
  /** Deletes up to `limit` (default 1,000) rows older than `rememberMs`. Returns how many went. */
  prune(db: SqlExecutor, options?: { readonly limit?: number }): Promise<number>;
}

const DEFAULT_REMEMBER_MS = 14 * 24 * 60 * 60 * 1_000;
const NAME_LENGTH_MAX = 512;

export function postgresInbox({ rememberMs = DEFAULT_REMEMBER_MS }: InboxOptions = {}): Inbox {
  if (!(Number.isFinite(rememberMs) && rememberMs > 0)) {
    throw new TripactError("invalid-option", `rememberMs is ${rememberMs}.`, { where: "rememberMs", hint: "Milliseconds above 0." });
  }
  return {
    async once(db, delivery, body) {
      for (const name of ["source", "id", "consumer"] as const) checkName(delivery[name], name);
      const what = `inbox.once [${delivery.consumer} ${delivery.source} ${delivery.id}]`;
      return guarded(db, what, async () => {
        if (!(await isFirst(db, delivery, what))) return { kind: "repeated" };
        return { kind: "first", result: await body() };
      });
    },
    async first(db, consumer, deliveries) {
      checkName(consumer, "consumer");
      for (const { source, id } of deliveries) {
        checkName(source, "source");
        checkName(id, "id");
      }
      return firstOf(db, consumer, deliveries, `inbox.first [${consumer}]`);
    },
    async prune(db, { limit = 1_000 } = {}) {
      const { rowCount } = await db.execute(
        `delete from tripact.inbox
         where ctid = any (array(
           select ctid from tripact.inbox
           where recorded_at < clock_timestamp() - $1 * interval '1 millisecond'
           limit $2
           for update skip locked
         ))`,
        [rememberMs, limit],
      );
      return rowCount ?? 0;
    },
  };
}

async function isFirst(db: SqlExecutor, { source, id, consumer }: Delivery, what: string): Promise<boolean> {
  const { rows } = await explained(what, () =>
    db.execute(
      `with own as (
         insert into tripact.inbox (consumer, source, id)
         values ($1, $2, $3)
         on conflict do nothing
         returning 1
       )
       select exists (select from own) as first, current_setting('transaction_isolation') as isolation`,
      [consumer, source, id],
    ),
  );
  refuseIsolation(rows[0]?.isolation, what);
  return rows[0]?.first === true;
}

async function firstOf(db: SqlExecutor, consumer: string, deliveries: readonly Omit<Delivery, "consumer">[], what: string): Promise<readonly boolean[]> {
  const { rows } = await explained(what, () =>
    db.execute(
      `with own as (
         insert into tripact.inbox (consumer, source, id)
         select $1, d.source, d.id from unnest($2::text[], $3::text[]) as d (source, id) order by d.source, d.id
         on conflict do nothing
         returning source, id
       )
       select current_setting('transaction_isolation') as isolation, own.count = cardinality($3::text[]) as all_first,
              case when own.count < cardinality($3::text[]) then (select json_agg(json_build_array(source, id))::text from own) end as first
         from (select count(*) from own) own`,
      [consumer, deliveries.map(({ source }) => source), deliveries.map(({ id }) => id)],
    ),
  );
  refuseIsolation(rows[0]?.isolation, what);
  // The usual answer, and a short one.
  if (rows[0]?.all_first === true) return deliveries.map(() => true);
  const own = new Set(((JSON.parse(typeof rows[0]?.first === "string" ? rows[0].first : "[]")) as readonly (readonly [string, string])[]).map(([source, id]) => `${source}\0${id}`));
  // The same delivery twice in one batch is the first once.
  return deliveries.map(({ source, id }) => own.delete(`${source}\0${id}`));
}

function checkName(value: unknown, what: string): void {
  if (typeof value === "string" && value.length > 0 && value.length <= NAME_LENGTH_MAX && !/[\0\p{Cs}]/u.test(value)) return;
  throw new TripactError("invalid-input", `A delivery's ${what} is text of 1 to ${NAME_LENGTH_MAX} characters.`, { where: what });
}
