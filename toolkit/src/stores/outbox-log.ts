import { TripactError } from "../protocol/errors.ts";
import type { Membership, OutboxMessage, StoreHealth } from "./store.ts";

/**
 * The outbox's port: the log of committed messages as a relay reads it. Four small interfaces: who reads which lanes (`Lanes`), what is
 * in the log (`Messages`), the few that failed (`Retries`), and who is alive (`Membership`, as for the journal). `Desk` is for people.
 *
 * Errors that a log may throw, by `TripactError.code`: those of a store (`store-unreachable`, `store-unknown`: do the same again), and
 *  - `cursor-lost`: the session that this cursor was read in has ended. Drop what was read, claim the lanes again, go on from there.
 */
export interface OutboxLog {
  readonly features: OutboxLogFeatures;
  readonly lanes: Lanes;
  readonly messages: Messages;
  readonly retries: Retries;
  readonly desk: Desk;
  readonly membership: Membership;
  /** Connects and checks the schema; throws `store-unreachable`, `schema-mismatch`, `pooler-refused`. What is no error goes to `notify`. */
  connect(notify?: (notice: LogNotice) => void): Promise<void>;
  health(): StoreHealth;
  /** Tells the relays of this log, in this process and others, that there is something new (coalesced, best effort). */
  announce(): void;
  /** Closes every connection. Twice without harm. */
  close(): Promise<void>;
}

/** What a log says of itself, for an operator: safe to log. */
export type LogNotice =
  /** Commits wake the relay through the write-ahead log: from now on, or again. */
  | { readonly kind: "wal-wake-on" }
  /** They do not, for this reason; notifications and the poll do, and it is tried again. */
  | { readonly kind: "wal-wake-off"; readonly detail: string };

export interface OutboxLogFeatures {
  readonly name: string;
  /** What was delivered survives a crash of the log's server, as far as its transactions promise that. */
  readonly persistent: boolean;
}

/** A key belongs to one lane for ever; a lane to one relay at a time. */
export const LANES = 64;

/** A message as the log has it. */
export interface LoggedMessage extends OutboxMessage {
  /** Its place in the log: order, never identity. A number that a failover forgot may be given again. */
  readonly seq: number;
  readonly lane: number;
  /** Unix milliseconds by the database's clock, for people. */
  readonly recordedAtMs: number;
}

/** How far a lane is settled. Opaque to everybody but the log that made it; good only while the session lives in which it was read. */
export type Cursor = string;

export interface ClaimedLane {
  readonly lane: number;
  readonly epoch: number;
  readonly cursor: Cursor;
  /** The log has been moved since (another cluster, other transaction ids): it is read again from its oldest row. */
  readonly restarted: boolean;
}

export interface Lanes {
  /**
   * Takes those of `lanes` that nobody alive owns, or that `owner` owns already (again, with the cursor as it is stored). A subscription
   * that is new to the log begins at its oldest message. Bumps the epoch.
   */
  claim(claim: { readonly subscription: string; readonly owner: string; readonly lanes: readonly number[] }): Promise<readonly ClaimedLane[]>;
  /** Lets go of lanes, so that another relay may claim them at once. Their cursors are as last settled. */
  release(release: { readonly subscription: string; readonly owner: string; readonly lanes: readonly number[] }): Promise<void>;
  /** Every lane with its owner, for people and for tests. */
  list(subscription?: string): Promise<readonly LaneRow[]>;
}

export interface LaneRow {
  readonly subscription: string;
  readonly lane: number;
  readonly owner: string | null;
  readonly epoch: number;
}

export interface ReadQuery {
  readonly lanes: readonly number[];
  /** Where these lanes stand: the same for all of them. */
  readonly cursor: Cursor;
  /** Read no further than what this cursor has seen: how lanes that stand apart come together again. */
  readonly upto?: Cursor;
  /** Only these topics are handed out; the others count as settled. `"*"` at the end stands for any rest. Absent: all. */
  readonly topics?: readonly string[];
  readonly limit: number;
}

export interface Page {
  /** In the order of delivery: by seq, among everything that became visible since. */
  readonly messages: readonly LoggedMessage[];
  /** Where the lanes stand when these messages are settled. */
  readonly cursor: Cursor;
  /** More is visible already. */
  readonly more: boolean;
}

/** A message that leaves the log for the retry table. `behind`: not tried, because one of its key failed. */
export interface Copy {
  readonly message: LoggedMessage;
  readonly state: "waiting" | "late" | "parked" | "skipped";
  readonly attempts: number;
  readonly error?: string;
}

export interface Settlement {
  readonly subscription: string;
  readonly owner: string;
  readonly lanes: readonly { readonly lane: number; readonly epoch: number }[];
  readonly cursor: Cursor;
  /** Written in the same commit as the cursors, or not at all. */
  readonly copies: readonly Copy[];
}

export interface Messages {
  /** What became visible since `cursor`, in one snapshot. */
  read(query: ReadQuery): Promise<Page>;
  /** Moves the cursors of the lanes that are still ours, with the copies of these lanes. Returns the lanes that were. */
  settle(settlement: Settlement): Promise<readonly number[]>;
  /** Empties partitions whose time is over, whose rows every subscription has settled, and that are older than `keepMs`. Returns how many. */
  tidy(keepMs: number): Promise<number>;
}

export type RetryState = "waiting" | "late" | "parked" | "skipped" | "discarded";

export interface RetryRow {
  readonly message: LoggedMessage;
  readonly subscription: string;
  readonly state: RetryState;
  readonly attempts: number;
  readonly error?: string;
  readonly decidedBy?: string;
  readonly decidedReason?: string;
  readonly copiedAtMs: number;
  readonly updatedAtMs: number;
}

/** A key that has rows in the retry table, and the first of them. */
export interface HeldKey {
  readonly topic: string;
  readonly key: string;
  readonly lane: number;
  readonly count: number;
  readonly head: { readonly seq: number; readonly id: string; readonly state: "waiting" | "late" | "parked"; readonly attempts: number };
}

/** What became of a try of a row in the retry table. */
export interface Retried {
  readonly seq: number;
  readonly id: string;
  readonly lane: number;
  /** `delivered` takes the row away. */
  readonly state: "delivered" | "waiting" | "late" | "parked" | "skipped";
  readonly attempts: number;
  readonly error?: string;
}

export interface Retries {
  /** The keys of these lanes that are held, in the order of their heads, at most `limit`. */
  held(query: { readonly subscription: string; readonly lanes: readonly number[]; readonly limit: number }): Promise<readonly HeldKey[]>;
  /** The first rows of one key in their order, a parked one at most as the last: nothing behind it may be tried. */
  next(query: { readonly subscription: string; readonly lane: number; readonly topic: string; readonly key: string; readonly limit: number }): Promise<readonly RetryRow[]>;
  /** Writes down what became of tries, of lanes that `owner` still owns. Returns those lanes. */
  record(record: { readonly subscription: string; readonly owner: string; readonly retried: readonly Retried[] }): Promise<readonly number[]>;
}

export interface DeskQuery {
  readonly subscription?: string;
  readonly state?: RetryState;
  readonly topic?: string;
  readonly key?: string;
  readonly limit: number;
}

/** Where a message stands with one subscription. */
export interface Standing {
  readonly subscription: string;
  /** `pending`: not settled yet. `settled`: delivered, or of no interest to it. Else its state in the retry table. */
  readonly state: "pending" | "settled" | RetryState;
  readonly retry?: RetryRow;
  /** Waits behind this message of its key. */
  readonly behind?: string;
}

export interface SubscriptionStanding {
  readonly subscription: string;
  readonly pending: number;
  readonly oldestPendingMs: number;
  readonly waiting: number;
  readonly late: number;
  readonly parked: number;
  readonly skipped: number;
}

/** Throws `unknown-subscription`: a misspelt name would look like one with nothing to tell. */
export function refuseUnknown(subscription: string | undefined, known: readonly string[]): void {
  if (subscription === undefined || known.includes(subscription)) return;
  throw new TripactError("unknown-subscription", "No relay has read this outbox under that name.", {
    where: subscription,
    hint: known.length === 0 ? "There is no subscription yet." : `There are: ${known.join(", ")}.`,
  });
}

/** For people: what is stuck, and a word about it. A subscription that is not known is an error, `unknown-subscription`. */
export interface Desk {
  /** Rows of the retry table, the oldest first. */
  list(query: DeskQuery): Promise<readonly RetryRow[]>;
  /** One message by id, and where it stands with every subscription; undefined when neither log nor retry table has it. */
  find(id: string): Promise<{ readonly message: LoggedMessage; readonly standings: readonly Standing[] } | undefined>;
  /** Tried again from the first attempt. Returns how many rows this changed. */
  requeue(decision: DeskDecision): Promise<number>;
  /** Never delivered; its key goes on. Returns how many rows this changed. */
  discard(decision: DeskDecision): Promise<number>;
  /** How far each subscription is behind. */
  standings(): Promise<readonly SubscriptionStanding[]>;
}

export interface DeskDecision {
  /** All parked and skipped rows (requeue), or exactly these messages. */
  readonly ids: readonly string[] | "all-parked";
  readonly subscription?: string;
  readonly who: string;
  readonly reason: string;
}
