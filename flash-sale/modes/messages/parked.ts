/**
 * Questions that a step of a choreography cannot answer in the transaction that brings them, because somebody outside has to answer first.
 * The event waits in a row of the mode's own; when the answer has come, the step is run with it. The row is a tombstone as well: what has
 * been called off before it was asked is not asked any more.
 */
import type { OpenTransaction, SqlExecutor } from "tripact/barrier";
import type { Envelope } from "tripact/events";

/** The life of an event. By then its saga has met its deadline. */
export const LIFE_MS = 24 * 60 * 60 * 1_000;

/** Safe to run again, and for two at once. */
export async function makeParkingTable(open: OpenTransaction): Promise<void> {
  await open(async (db) => {
    await db.execute("select pg_advisory_xact_lock(7242)", []);
    await db.execute(
      `create table if not exists parked_question (
         order_id text primary key,
         event text,
         state text not null check (state in ('waiting', 'answered', 'called-off')),
         changed_at timestamptz not null default clock_timestamp(),
         check (state <> 'waiting' or event is not null)
       )`,
      [],
    );
    await db.execute("create index if not exists parked_question_over on parked_question (changed_at) where state <> 'waiting'", []);
  });
}

/** For the rest of the transaction: an order's question and its call off wait for each other here, before they touch any row. */
export async function lockQuestion(db: SqlExecutor, orderId: string): Promise<void> {
  await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 7242))", [orderId]);
}

/** False if it was parked or called off before, or is so old that nobody waits for the answer. */
export async function park(db: SqlExecutor, event: Envelope, nowMs: number): Promise<boolean> {
  if (nowMs - event.recordedAtMs > LIFE_MS) return false;
  const { rowCount } = await db.execute("insert into parked_question (order_id, event, state) values ($1, $2, 'waiting') on conflict do nothing", [event.key, JSON.stringify(event)]);
  return rowCount === 1;
}

/** The question that waits for this answer, once. */
export async function takeParked(db: SqlExecutor, orderId: string): Promise<Envelope | undefined> {
  const { rows } = await db.execute(
    "update parked_question set state = 'answered', changed_at = clock_timestamp() where order_id = $1 and state = 'waiting' returning event",
    [orderId],
  );
  const event = rows[0]?.["event"];
  // As `park` has written it.
  return typeof event === "string" ? (JSON.parse(event) as Envelope) : undefined;
}

export async function callOffParked(db: SqlExecutor, orderId: string): Promise<void> {
  await db.execute(
    `insert into parked_question (order_id, state) values ($1, 'called-off')
     on conflict (order_id) do update set state = 'called-off', event = null, changed_at = clock_timestamp()`,
    [orderId],
  );
}

/** Rows of which no event can come any more, up to `limit`. Whatever waits stays. */
export async function pruneParked(db: SqlExecutor, limit: number): Promise<number> {
  const { rowCount } = await db.execute(
    `delete from parked_question
     where order_id = any (array(
       select order_id from parked_question
       where state <> 'waiting' and changed_at < clock_timestamp() - $1 * interval '1 millisecond'
       limit $2
       for update skip locked
     ))`,
    [2 * LIFE_MS, limit],
  );
  return rowCount ?? 0;
}
