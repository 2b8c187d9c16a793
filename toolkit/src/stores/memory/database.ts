import { createHash } from "node:crypto";
import { LANES, type LoggedMessage, type RetryRow } from "../outbox-log.ts";
import type { JournalEntry, Mail, OutboxMessage, StartWrite, Summary, Heard, NodeRow } from "../store.ts";

export interface MemoryRow {
  readonly start: Omit<StartWrite, "kind" | "entry" | "summary" | "messages">;
  summary: Summary;
  owner: string | null;
  epoch: number;
  seq: number;
  flushId: string;
  mailSeen: number;
  readonly mail: Mail[];
  readonly entries: Omit<JournalEntry, "ageMs">[];
  readonly startedAtMs: number;
  updatedAtMs: number;
  endedAtMs: number | undefined;
}

/** Who reads a lane of a subscription, and the last seq that is settled there. */
export interface MemoryLane {
  owner: string | null;
  epoch: number;
  settled: number;
}

export type MemoryRetry = { -readonly [K in keyof RetryRow]: RetryRow[K] };

/** What several memory stores share: the "server". Lives as long as this object; a process that dies takes it along. */
export class MemoryDatabase {
  readonly transactions = new Map<string, MemoryRow>();
  /** Open transactions by owner (`""`: nobody), so that a claim does not scan what has ended. */
  readonly open = new Map<string, Set<string>>();
  /** A write is one turn here, so messages become visible in the order of their seq. */
  readonly outbox: LoggedMessage[] = [];
  /** By subscription. */
  readonly lanes = new Map<string, readonly MemoryLane[]>();
  readonly retries: MemoryRetry[] = [];
  readonly nodes = new Map<string, { -readonly [K in keyof NodeRow]: NodeRow[K] }>();
  readonly locks = new Set<string>();
  readonly listeners = new Set<(heard: Heard) => void>();
  readonly nowMs: () => number;
  #session = 1;
  #seq = 0;

  constructor(nowMs: () => number = () => Date.now()) {
    this.nowMs = nowMs;
  }

  /** Numbers the time since the last `endSessions`. */
  get session(): number {
    return this.#session;
  }

  /** The last that was given. */
  get seq(): number {
    return this.#seq;
  }

  /** As a failover does: cursors that were read before are worth nothing now. */
  endSessions(): void {
    this.#session += 1;
  }

  /** Commits messages to the outbox. */
  send(messages: readonly OutboxMessage[]): void {
    for (const message of messages) {
      this.#seq += 1;
      this.outbox.push({ ...message, seq: this.#seq, lane: laneOf(message), recordedAtMs: this.nowMs() });
    }
  }

  setOwner(gid: string, row: MemoryRow, owner: string | null): void {
    this.open.get(row.owner ?? "")?.delete(gid);
    row.owner = owner;
    if (row.summary.ended) return;
    const set = this.open.get(owner ?? "") ?? new Set();
    set.add(gid);
    this.open.set(owner ?? "", set);
  }
}

function laneOf({ topic, key }: OutboxMessage): number {
  return createHash("sha256").update(JSON.stringify([topic, key])).digest().readUInt32BE() % LANES;
}
