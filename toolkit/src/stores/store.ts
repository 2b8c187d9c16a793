import type { SqlExecutor } from "./sql.ts";

/**
 * The store's port: where transactions are journaled (`Journal`), who drives them (`Membership`), and, where the store is a SQL
 * database that the business shares, local steps (`LocalSql`). Three small interfaces, because a reader needs one at a time.
 *
 * Errors that a store may throw, by `TripactError.code`:
 *  - `store-unreachable`: surely nothing was written (no connection, refused, too many connections).
 *  - `store-unknown`: the statement may or may not have been committed (lost connection or timeout after it was sent, cancelled wait
 *    for the synchronous standby). The caller writes the same batch again under the same `flushId`.
 *  - `store-bad-row`: the database refuses the batch because of its data; the caller halves the batch until the culprit is alone.
 * Everything else is a bug.
 */
export interface Store {
  readonly features: StoreFeatures;
  readonly journal: Journal;
  readonly membership: Membership;
  /** Only where business tables can live in the same database. */
  readonly localSql?: LocalSql;
  /** Connects, checks schema version and durability; throws `store-unreachable` (host and port named), `schema-mismatch`, `durability-refused`, `pooler-refused`. */
  connect(): Promise<void>;
  health(): StoreHealth;
  /** Finishes what is in flight and closes every connection. Twice without harm. */
  close(): Promise<void>;
}

export interface StoreFeatures {
  readonly name: string;
  readonly durability: "none" | "strict" | "replicated";
  readonly localSql: boolean;
}

export interface StoreHealth {
  /** `stalled`: a commit waits for its standby, new work is refused. `down`: no connection, reconnecting. */
  readonly state: "up" | "stalled" | "down";
  readonly detail?: string;
  /** Below its declared durability since then, in Unix milliseconds: what is accepted meanwhile survives less than was asked for. */
  readonly degradedSinceMs?: number;
}

/** What a header says about its transaction; derived from the protocol's state by the runtime, stored so that SQL can select by it. */
export type Status = "forward" | "committing" | "rolling-back" | "committed" | "rolled-back" | "mixed" | "never-started";

/** Columns that every write brings up to date. */
export interface Summary {
  readonly status: Status;
  /** The transaction reached its end: nobody drives it any more. */
  readonly ended: boolean;
  /** Reason when a person has to look (`parked`), else absent. */
  readonly parked?: string;
  /** Still being tried, past its usual time. */
  readonly late: boolean;
  /** The result (commit) or the reason (roll back) as JSON text, once decided. */
  readonly outcome?: string;
}

/** An outbox message, written with the commit decision. `id` is a UUIDv7. */
export interface OutboxMessage {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  /** JSON text. */
  readonly payload: string;
  /** JSON text of an object of strings. */
  readonly headers: string;
}

/** A new transaction: header and opening entry in one. `owner` drives it from epoch 1. */
export interface StartWrite {
  readonly kind: "start";
  readonly gid: string;
  readonly definition: string;
  readonly version: string;
  readonly inputHash: string;
  /** JSON text. */
  readonly input: string;
  /** JSON text: an array of protocol events. Becomes entry 1. */
  readonly entry: string;
  readonly summary: Summary;
  readonly messages: readonly OutboxMessage[];
}

/**
 * The next entry of a transaction that `owner` drives. Applied only if the header still says (owner, epoch, seq = `seq` - 1) and, if
 * `mailGuard`, no mail beyond `mailSeen`.
 */
export interface EntryWrite {
  readonly kind: "entry";
  readonly gid: string;
  readonly epoch: number;
  /** This entry's number; the opening entry is 1. */
  readonly seq: number;
  readonly entry: string;
  readonly summary: Summary;
  /** How many mails of this transaction are accounted for in `entry` and before. */
  readonly mailSeen: number;
  /** A decision must not overtake a request that is already posted (cancel against commit). */
  readonly mailGuard: boolean;
  readonly messages: readonly OutboxMessage[];
}

export type Write = StartWrite | EntryWrite;

/**
 * What became of a write. `applied` also when an earlier try of the same flush had applied it. `reload`: still ours, but the header
 * is elsewhere (other seq, or mail came): read it again. `fenced`: another owner or epoch has it: drop it.
 * `exists` (starts only): the gid is taken; the caller compares and attaches. `never-started`: a tombstone holds the gid.
 */
export type Verdict = "applied" | "reload" | "fenced" | "exists" | "never-started";

export interface WriteBatch {
  /** Random, the same when the batch is tried again: how an owner recognises its own flush whose reply was lost. UUID. */
  readonly flushId: string;
  /** The writing node's incarnation, UUID. */
  readonly owner: string;
  /** At most one write a gid, sorted by gid. */
  readonly writes: readonly Write[];
}

export interface JournalHeader {
  readonly gid: string;
  readonly definition: string;
  readonly version: string;
  readonly inputHash: string;
  readonly input: string;
  readonly summary: Summary;
  readonly owner: string | null;
  readonly epoch: number;
  readonly seq: number;
  readonly mail: number;
  readonly mailSeen: number;
  /** Unix milliseconds by the database's clock: for people, never for decisions. */
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
}

export interface JournalEntry {
  readonly seq: number;
  readonly epoch: number;
  /** Who wrote it: incarnation. */
  readonly owner: string | null;
  readonly entry: string;
  readonly recordedAtMs: number;
  /** Database's now minus `recordedAtMs` at the time of reading, never negative: how old this entry is, free of any second clock. */
  readonly ageMs: number;
}

export interface Mail {
  readonly gid: string;
  /** 1, 2, … within the gid. */
  readonly n: number;
  /** JSON text: a protocol event, to be journaled by the owner. */
  readonly body: string;
}

export interface JournalRecord extends JournalHeader {
  readonly entries: readonly JournalEntry[];
  /** Mail that the owner has not accounted for (n > mailSeen), in order. */
  readonly unread: readonly Mail[];
}

export interface Claim {
  /**
   * Random, the same when the claim is tried again after a lost reply: what an earlier try has claimed under it is returned once more.
   * Without it those transactions would belong to a node that does not know of them.
   */
  readonly claimId: string;
  /** The claimant's incarnation. */
  readonly owner: string;
  /** Claim what these incarnations own, if they are fenced or gone, and what nobody owns. Empty: whatever is fenced or gone. */
  readonly from: readonly string[];
  readonly runs: readonly DefinitionVersion[];
  /** None of these: the claimant has just handed them back. */
  readonly except?: readonly string[];
  /** At most this many a slice (500). */
  readonly limit: number;
}

export interface DefinitionVersion {
  readonly definition: string;
  readonly version: string;
}

export type PostVerdict =
  | { readonly kind: "posted"; readonly owner: string | null; readonly n: number }
  | { readonly kind: "ended" }
  /** The gid was unknown; now a tombstone says that it never started, and never will. */
  | { readonly kind: "never-started" };

export const LIST_STATES = ["open", "parked", "late", "unclaimed", "ended"] as const;

export interface ListQuery {
  readonly state?: (typeof LIST_STATES)[number];
  readonly definition?: string;
  /** Only this one. */
  readonly gid?: string;
  /** Continue after this gid (ordered by start time, newest first). */
  readonly before?: { readonly startedAtMs: number; readonly gid: string };
  readonly limit: number;
}

export interface Counts {
  readonly open: number;
  readonly parked: number;
  readonly late: number;
  /** Open, and owned by nobody alive, whatever the reason. */
  readonly unclaimed: number;
}

/** The durable record of every transaction. Batch-first. */
export interface Journal {
  /** Group commit: one statement for the whole batch; a verdict per write, in order. */
  write(batch: WriteBatch): Promise<readonly Verdict[]>;
  /** Headers with entries and unread mail; unknown gids are left out. For a `takeover` it is done ahead of those who only ask. */
  read(gids: readonly string[], purpose?: "takeover"): Promise<readonly JournalRecord[]>;
  /** Bumps owner and epoch of up to `limit` matching transactions (marking them with the claim's id as flush id) and commits; the caller then reads them: two statements. */
  claim(claim: Claim): Promise<readonly string[]>;
  /** Gives up what `owner` owns of these, so that nobody owns it until the next claim. What is not its own is left alone. */
  release(owner: string, gids: readonly string[]): Promise<void>;
  /** Leaves a request for whoever owns the gid. An unknown gid becomes `never-started` first. */
  post(gid: string, body: string): Promise<PostVerdict>;
  /** Unread mail of the transactions that `owner` owns. */
  mail(owner: string, limit: number): Promise<readonly Mail[]>;
  list(query: ListQuery): Promise<readonly JournalHeader[]>;
  counts(): Promise<Counts>;
  /** Deletes entries of transactions that ended before, keeps (gid, hash, outcome); deletes whole headers after the longer time. Bounded by `limit`; returns how many went. */
  prune(retention: { readonly entriesMs: number; readonly headersMs: number; readonly limit: number }): Promise<number>;
}

export interface NodeRow {
  readonly incarnation: string;
  readonly name: string;
  readonly beat: number;
  readonly fenced: boolean;
  readonly runs: readonly DefinitionVersion[];
}

export interface Joining {
  readonly incarnation: string;
  readonly name: string;
  readonly runs: readonly DefinitionVersion[];
  /** After this long without a sign of life others fence it: a server that is silent has to be noticed by then. */
  readonly leaseMs?: number;
}

/** What a try of another node's lock says. `unsure`: our own session is younger than our last look, so a free lock proves nothing. */
export type Probe = "held" | "free" | "unsure";

/** Who is alive. A node row with a counter, and a session lock that falls when its holder dies. Nobody ever waits for a lock. */
export interface Membership {
  /** Inserts the node row and takes its session lock. Again after a lost session: takes the lock back under the same incarnation and raises our counter as a beat does, or answers false if it was fenced meanwhile. */
  join(node: Joining): Promise<boolean>;
  /** Raises our counter by one; returns all node rows. A fenced node reads so here. */
  beat(incarnation: string): Promise<readonly NodeRow[]>;
  /** Tries the lock of another node, and lets go of it at once. One round trip on a connection of its own. */
  probe(incarnation: string): Promise<Probe>;
  /** Marks a node as dead; its transactions may be claimed from now on. True for the one who did it. */
  fence(incarnation: string): Promise<boolean>;
  /** Removes our node row and lets go of the lock. */
  leave(incarnation: string): Promise<void>;
  /** Tells other nodes that there is work or mail (coalesced, after commit, best effort). */
  announce(topic: Topic): void;
  /** Hears announcements, losses of our own session (`lost`) and reconnections (`back`). Returns how to stop. */
  listen(hear: (heard: Heard) => void): () => void;
}

/** `outbox`: messages were committed. `desk`: a person decided on one. `nodes`: somebody was fenced, or came or left. */
export type Topic = "work" | "mail" | "ended" | "outbox" | "desk" | "nodes";
export type Heard = Topic | "lost" | "back";

/** Which promise a gid already names. */
export type TakenBy = Pick<JournalHeader, "definition" | "inputHash">;

/** A business write and its journal entry in one commit. */
export interface LocalSql {
  /**
   * Opens a transaction, runs `body`, then writes the fenced entry that `seal` makes of the body's result as the last statement, and
   * commits. A verdict other than `applied` rolled the business write back. Throws what `body` threw, after a roll back; throws
   * `store-unknown` when the commit's reply was lost: doing the same again settles it, because the sequence lets only one win.
   */
  run<T>(owner: string, body: (db: SqlExecutor) => Promise<T>, seal: (result: T) => { readonly flushId: string; readonly write: EntryWrite }): Promise<{ readonly verdict: Verdict; readonly result: T }>;
  /**
   * Writes a start inside the caller's own transaction. It is `owner`'s from epoch 1, who will hear of the commit; without one nobody owns it
   * until a node finds it after the commit. Where the gid is taken, it answers by what: only the caller's transaction sees a start that it
   * wrote itself.
   */
  startIn(db: SqlExecutor, start: StartWrite, owner?: string): Promise<"started" | "never-started" | TakenBy>;
}
