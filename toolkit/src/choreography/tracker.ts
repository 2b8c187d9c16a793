/**
 * A tracker folds the events of a choreographed saga into the same state as any other transaction's, so that the same timeline prints it.
 * It is a set of events, told anew from the start each time: order and duplicates cannot matter, and what is missing is inferred from what
 * came after it. It decides nothing and sends nothing; a watcher with a deadline of its own would race a late success.
 */
import { checkLimit, DEFAULT_CALL_LIFE_MS } from "../participants/barrier/retention.ts";
import { TripactError } from "../protocol/errors.ts";
import { evolve } from "../protocol/evolve.ts";
import { hasEnded, UNBORN } from "../protocol/transaction.ts";
import type { Transaction, TransactionEvent } from "../protocol/transaction.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { JournalRecord } from "../stores/store.ts";
import { readEvent } from "./event.ts";
import { handling } from "./handling.ts";
import type { Delivered, EventHandler } from "./handling.ts";
import type { Defined } from "./initiator.ts";
import { storyOf } from "./story.ts";
import type { Told } from "./story.ts";

/** An event as it was seen; of a message that is enough. */
export type Seen = Pick<Delivered, "topic" | "key" | "payload" | "source" | "recordedAtMs">;

export interface Tracker {
  /** Subscribe it to `<name>.*`. */
  readonly topics: readonly string[];
  /** Remembers an event, in the caller's transaction. Again, or in another order: no difference. */
  readonly handle: EventHandler;
  /** What was seen of a saga, in the form that `timelineOf` of `tripact/admin` takes. Undefined if nothing was. */
  read(db: SqlExecutor, gid: string): Promise<JournalRecord | undefined>;
  /** The same for events that you keep yourself; all of one gid. */
  record(seen: readonly Seen[]): JournalRecord | undefined;
  /** The state that these events tell of. */
  fold(seen: readonly Seen[]): Transaction;
  /** Deletes up to `limit` (1,000) events seen more than `olderThanMs` ago (30 days). Returns how many went. */
  prune(db: SqlExecutor, options?: { readonly olderThanMs?: number; readonly limit?: number }): Promise<number>;
}

export function trackerOf(defined: Defined): Tracker {
  const { name } = defined;
  const topics = [`${name}.*`];
  const told = (seen: readonly Seen[]): readonly Told[] =>
    storyOf(defined, seen.map((envelope) => ({ event: readEvent(name, envelope).event, atMs: envelope.recordedAtMs, by: envelope.source })));
  const record = (seen: readonly Seen[]): JournalRecord | undefined => recordOf(name, seen, told(seen));

  const handle = async (db: SqlExecutor, envelope: Delivered): Promise<void> => {
    const { gid, event } = readEvent(name, envelope);
    await handling(db, `${name}.tracker [${gid}]`, (own) =>
      own.execute(
        `insert into tripact.choreography_seen (definition, gid, topic, payload, source, recorded_at_ms)
         values ($1, $2, $3, $4, $5, $6)
         on conflict do nothing`,
        [name, gid, envelope.topic, JSON.stringify(event), envelope.source, Math.round(envelope.recordedAtMs)],
      ),
    );
  };
  return {
    topics,
    handle: Object.assign(handle, { topics }),
    record,
    fold: (seen) => foldEvents(told(seen).map(({ event }) => event)),
    async read(db, gid) {
      const { rows } = await db.execute(
        "select topic, payload, source, recorded_at_ms from tripact.choreography_seen where gid = $1 and definition = $2",
        [gid, name],
      );
      return record(rows.map((row) => ({ key: gid, topic: String(row["topic"]), payload: String(row["payload"]), source: String(row["source"]), recordedAtMs: Number(row["recorded_at_ms"]) })));
    },
    async prune(db, { olderThanMs = 30 * DEFAULT_CALL_LIFE_MS, limit = 1_000 } = {}) {
      if (!(Number.isFinite(olderThanMs) && olderThanMs > 0)) throw new TripactError("invalid-option", `olderThanMs is ${olderThanMs}.`, { where: "olderThanMs" });
      const { rowCount } = await db.execute(
        `delete from tripact.choreography_seen
         where ctid = any (array(
           select ctid from tripact.choreography_seen where seen_at < clock_timestamp() - $1 * interval '1 millisecond' limit $2
         ))`,
        [olderThanMs, checkLimit(limit)],
      );
      return rowCount ?? 0;
    },
  };
}

function foldEvents(events: readonly TransactionEvent[]): Transaction {
  return events.reduce<Transaction>((state, event) => evolve(state, event), UNBORN);
}

/** One entry for each event: times are each sender's own, so they need not rise from line to line. */
function recordOf(definition: string, seen: readonly Seen[], story: readonly Told[]): JournalRecord | undefined {
  const first = story[0];
  const gid = seen[0]?.key;
  if (first === undefined || gid === undefined) return undefined;
  const state = foldEvents(story.map(({ event }) => event));
  const outcome = "reason" in state ? state.reason : "result" in state ? state.result : undefined;
  return {
    gid,
    definition,
    version: "1",
    inputHash: "",
    input: "null",
    summary: {
      status: state.kind === "unborn" ? "forward" : state.kind,
      ended: hasEnded(state),
      late: false,
      ...(outcome === undefined ? {} : { outcome: JSON.stringify(outcome) }),
    },
    owner: first.by,
    epoch: 1,
    seq: story.length,
    mail: 0,
    mailSeen: 0,
    startedAtMs: Math.min(...story.map(({ atMs }) => atMs)),
    updatedAtMs: Math.max(...story.map(({ atMs }) => atMs)),
    entries: story.map(({ event, atMs, by }, index) => ({ seq: index + 1, epoch: 1, owner: by, entry: JSON.stringify([event]), recordedAtMs: atMs, ageMs: 0 })),
    unread: [],
  };
}
