import { ConflictingGid, TripactError } from "../protocol/errors.ts";
import type { Json } from "../protocol/json.ts";
import type { Op } from "../protocol/outcome.ts";
import { evolve } from "../protocol/evolve.ts";
import { hasEnded, UNBORN, type EventOf, type Transaction, type TransactionEvent } from "../protocol/transaction.ts";
import type { EntryWrite, OutboxMessage, StartWrite, Write } from "../stores/store.ts";
import type { Driver } from "./driver.ts";
import { summaryOf } from "./journal/summary.ts";

/** An op that is being asked right now. Only memory knows; after a crash nothing is in flight. */
export interface Flight {
  readonly op: Op;
  readonly controller: AbortController;
}

/** Between two journaled attempts of a late branch: a minute at first, twice as long each time, an hour at most. */
const FOLD_FIRST_MS = 60_000;
const FOLD_MAX_MS = 3_600_000;

export interface Identity {
  readonly gid: string;
  readonly definition: string;
  readonly version: string;
  readonly inputHash: string;
  readonly input: Json;
}

/** One transaction that this node drives: the protocol's state, what of it is not journaled yet, and what is in flight. */
export class Live {
  readonly identity: Identity;
  state: Transaction = UNBORN;
  /** Ownership's epoch; the first owner has 1. */
  epoch = 1;
  /** The number of the last entry that the journal has confirmed; 0 while the start itself is on its way. */
  seq = 0;
  /** That the first entry is there is so far only the word of whoever committed it, and that commit may be part of one that is still to come. */
  hearsay = false;
  mailSeen = 0;
  driver: Driver | undefined;
  readonly flights = new Map<string, Flight>();
  /** A flush that carries this transaction is on its way. */
  flying = false;
  /** A local SQL step holds the header: nothing else may write, or change the state. */
  held = false;
  /** Waiting for `held` to end. */
  readonly deferred: (() => void)[] = [];
  /** We do not own it any more, or it has ended. */
  gone = false;
  stepping = false;
  /** Once what is pending is journaled, this state is given up for the one in the journal. */
  readAgain = false;
  cancelTimer: (() => void) | undefined;
  /** Own monotonic time since when the code of some branch has been looked for. */
  unreachableSinceMs: number | undefined;
  traceparent: string | undefined;
  /** The journal as it was read at takeover, for the flow's replay; empty once the driver has begun. */
  past: TransactionEvent[] = [];
  /** JSON texts: what is journaled is what happened, whoever changes an event's parts before the flush. */
  readonly #pending: string[] = [];
  /** Mail was read that changed nothing: the count alone has to be written. */
  #mailOnly = false;
  #decidedInPending = false;
  /** All that is pending bears to be lost: it would be asked again, and answered alike. */
  #canWait = true;
  /** While what is pending waits. */
  cancelJournaling: (() => void) | undefined;
  /** Attempts of late branches, in the state, but in no entry yet: a crash forgets them, and the journal's count is a least one. */
  readonly #folded = new Map<string, EventOf<"attempted">>();
  /** When a late branch last had an attempt journaled, and how long it has none after that. */
  readonly #lateEntries = new Map<string, { readonly atMs: number; readonly gapMs: number }>();

  constructor(identity: Identity) {
    this.identity = identity;
  }

  get gid(): string {
    return this.identity.gid;
  }

  get dirty(): boolean {
    return this.#pending.length > 0 || this.#mailOnly;
  }

  /** What is not journaled yet may wait for what comes next. */
  get canWait(): boolean {
    return this.seq > 0 && this.#canWait;
  }

  get waits(): boolean {
    return this.canWait && this.cancelJournaling !== undefined;
  }

  /** Everything that memory knows is in the journal. A state that was given up may hold what the journal has refused. */
  get durable(): boolean {
    return !this.gone && this.seq > 0 && !this.flying && !this.dirty;
  }

  /**
   * Evolves at once; the entry goes with the next flush, or where it `canWait` with the next one that has to go. Throws and changes nothing if
   * no rule allows it, or it is not JSON.
   */
  apply(event: TransactionEvent, nowMs: number, canWait = false): void {
    const texts = this.withFolded(event).map((it) => JSON.stringify(it));
    this.state = evolve(this.state, event, nowMs);
    this.#pending.push(...texts);
    this.#canWait &&= canWait;
    this.#unfold(event);
    if (event.kind === "decided") this.#decidedInPending = true;
  }

  /**
   * Whether this attempt needs no entry of its own: the last one of a late branch that has one is too recent. Memory takes it, and the
   * next event of the branch brings it along, so that a participant that is away for a day leaves some thirty entries, not 17,000.
   */
  folds(event: EventOf<"attempted">, nowMs: number): boolean {
    if (this.state.kind === "unborn" || !this.state.branches.some((branch) => branch.name === event.branch && branch.late)) return false;
    const { atMs, gapMs } = this.#lateEntries.get(event.branch) ?? { atMs: Number.NEGATIVE_INFINITY, gapMs: FOLD_FIRST_MS / 2 };
    if (nowMs - atMs >= gapMs) {
      this.#lateEntries.set(event.branch, { atMs: nowMs, gapMs: Math.min(gapMs * 2, FOLD_MAX_MS) });
      return false;
    }
    this.state = evolve(this.state, event, nowMs);
    this.#folded.set(event.branch, { ...event, count: (this.#folded.get(event.branch)?.count ?? 0) + 1 });
    return true;
  }

  /** This event as the journal gets it: with the attempts that were folded before it. */
  withFolded(event: TransactionEvent): readonly TransactionEvent[] {
    const folded = "branch" in event && event.branch !== undefined ? this.#folded.get(event.branch) : undefined;
    if (folded === undefined) return [event];
    return event.kind === "attempted" ? [{ ...event, count: (folded.count ?? 0) + 1 }] : [folded, event];
  }

  #unfold(event: TransactionEvent): void {
    if ("branch" in event && event.branch !== undefined) this.#folded.delete(event.branch);
  }

  /** Evolves by what the journal already holds. `atMs` is this node's own time, re-based by the entry's age. */
  replay(event: TransactionEvent, atMs: number): void {
    this.state = evolve(this.state, event, atMs);
    this.remember(event);
    if (event.kind === "started") this.traceparent = event.traceparent;
  }

  /** For the flow's replay, which has no use for what became of attempts. */
  remember(event: TransactionEvent): void {
    if (event.kind !== "attempted" && event.kind !== "pending" && event.kind !== "recovered") this.past.push(event);
  }

  /** A local SQL step has journaled this event by itself. */
  sealed(state: Transaction, event: TransactionEvent): void {
    this.state = state;
    this.#unfold(event);
    this.applied();
  }

  /** The journal has taken an entry. */
  applied(): void {
    this.seq += 1;
    this.hearsay = false;
  }

  readMail(n: number): void {
    if (n <= this.mailSeen) return;
    this.mailSeen = n;
    this.#mailOnly = true;
    this.#canWait = false;
  }

  /** Somebody waits for what is pending. */
  hurry(): void {
    this.#canWait = false;
  }

  /** Takes what is pending into one write. */
  takeWrite(): Write {
    const entry = `[${this.#pending.join(",")}]`;
    const messages = this.#decidedInPending ? messagesOf(this.state) : [];
    const mailGuard = this.#decidedInPending;
    this.#pending.length = 0;
    this.#mailOnly = false;
    this.#decidedInPending = false;
    this.#canWait = true;
    this.cancelJournaling?.();
    this.cancelJournaling = undefined;
    const summary = summaryOf(this.state);
    if (this.seq === 0) {
      const { gid, definition, version, inputHash, input } = this.identity;
      return { kind: "start", gid, definition, version, inputHash, input: JSON.stringify(input), entry, summary, messages } satisfies StartWrite;
    }
    return {
      kind: "entry",
      gid: this.gid,
      epoch: this.epoch,
      seq: this.seq + 1,
      entry,
      summary,
      mailSeen: this.mailSeen,
      mailGuard,
      messages,
    } satisfies EntryWrite;
  }

  /** Calls off every op in flight: its answer is not wanted any more. */
  abortFlights(): void {
    for (const flight of this.flights.values()) flight.controller.abort();
    this.flights.clear();
  }

  get ended(): boolean {
    return hasEnded(this.state);
  }
}

/** A transaction that begins, and its first entry taken out of it, for whoever writes that. */
export function openingOf(identity: Identity, started: EventOf<"started">, nowMs: number): { readonly live: Live; readonly write: StartWrite } {
  const live = new Live(identity);
  live.traceparent = started.traceparent;
  live.apply(started, nowMs);
  live.remember(started);
  const write = live.takeWrite();
  if (write.kind !== "start") throw new TripactError("illegal-transition", "A new transaction begins with its start.");
  return { live, write };
}

/** The same promise again is no conflict; another one under the same gid is. A newer version of the same definition may attach. */
export function compareIdentity(first: { readonly definition: string; readonly inputHash: string }, second: Identity): void {
  if (first.definition !== second.definition) throw new ConflictingGid(second.gid, "definition");
  if (first.inputHash !== second.inputHash) throw new ConflictingGid(second.gid, "input");
}

/** The messages of a commit go to the outbox in the same statement as the decision. */
export function messagesOf(state: Transaction): readonly OutboxMessage[] {
  if (state.kind !== "committing" && state.kind !== "committed") return [];
  return state.messages.map((message) => ({
    id: message.id,
    topic: message.topic,
    key: message.key,
    payload: JSON.stringify(message.payload),
    headers: JSON.stringify(message.headers),
  }));
}
