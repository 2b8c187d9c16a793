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

/** What several memory stores share: the "server". Lives as long as this object; a process that dies takes it along. */
export class MemoryDatabase {
  readonly transactions = new Map<string, MemoryRow>();
  /** Open transactions by owner (`""`: nobody), so that a claim does not scan what has ended. */
  readonly open = new Map<string, Set<string>>();
  readonly outbox: OutboxMessage[] = [];
  readonly nodes = new Map<string, { -readonly [K in keyof NodeRow]: NodeRow[K] }>();
  readonly locks = new Set<string>();
  readonly listeners = new Set<(heard: Heard) => void>();
  readonly nowMs: () => number;

  constructor(nowMs: () => number = () => Date.now()) {
    this.nowMs = nowMs;
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
