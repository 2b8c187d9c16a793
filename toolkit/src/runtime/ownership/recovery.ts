import { textOf, TripactError } from "../../protocol/errors.ts";
import type { Json } from "../../protocol/json.ts";
import type { TransactionEvent } from "../../protocol/transaction.ts";
import type { DefinitionVersion, Journal, JournalRecord } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import { Live } from "../live.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

export interface RecoveryParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
  readonly owner: () => string;
  readonly mayWrite: () => boolean;
  readonly runs: readonly DefinitionVersion[];
  readonly adopt: (live: Live, record: JournalRecord) => void;
}

/**
 * Takes over what nobody drives: bumps the epoch in slices and commits, then reads (two statements: one that does both would miss the
 * old owner's last flush), and drives on from the journal.
 */
export class Recovery {
  readonly #parts: RecoveryParts;
  #running: Promise<void> | undefined;
  #again = false;
  #drained = false;
  #stopped = false;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
  }

  /** No backlog is left that this node could recover. */
  get drained(): boolean {
    return this.#drained;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Claims everything that is nobody's. One sweep at a time; a request during a sweep leads to one more. */
  sweep(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    const { clock, notify } = this.#parts;
    while (this.#again && !this.#stopped && this.#parts.mayWrite()) {
      this.#again = false;
      const beganMs = clock.nowMs();
      const count = await this.#claimAll();
      if (count > 0) notify({ kind: "took-over", transactions: count, tookMs: clock.nowMs() - beganMs });
      this.#drained = true;
    }
  }

  async #claimAll(): Promise<number> {
    const { journal, clock, tuning, owner, runs } = this.#parts;
    let count = 0;
    for (;;) {
      const limit = tuning.claimSlice;
      const claim = { claimId: clock.uuid(), owner: owner(), from: [], runs, limit };
      // A claim whose reply was lost has claimed; what was claimed must be read, or nobody drives it.
      const gids = await this.#insist(() => journal.claim(claim));
      if (gids === undefined) return count;
      if (gids.length > 0) this.#adoptAll((await this.#insist(() => journal.read(gids))) ?? [], claim.owner);
      count += gids.length;
      if (gids.length < limit) return count;
    }
  }

  #adoptAll(records: readonly JournalRecord[], owner: string): void {
    const { clock, notify, adopt } = this.#parts;
    if (owner !== this.#parts.owner()) return;
    for (const record of records) {
      if (record.owner !== owner || record.summary.ended) continue;
      const live = liveOf(record, clock.nowMs(), notify);
      if (live !== undefined) adopt(live, record);
    }
  }

  /** Waits trouble with the store out. Undefined once this node stops. */
  async #insist<T>(ask: () => Promise<T>): Promise<T | undefined> {
    const { tuning, clock, notify } = this.#parts;
    for (let attempt = 0; !this.#stopped; attempt += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof TripactError)) throw error;
        notify({ kind: "store", error: textOf(error) });
        await new Promise<void>((resolve) => clock.after(Math.min(tuning.flushRetryMs * 2 ** Math.min(attempt, 5), 1_000), resolve));
      }
    }
    return undefined;
  }
}

/** A transaction as the journal tells it. Undefined, and said aloud, when the journal cannot be read by this code. */
export function liveOf(record: JournalRecord, nowMs: number, notify: Notify): Live | undefined {
  const { gid, definition, version, inputHash } = record;
  try {
    const live = new Live({ gid, definition, version, inputHash, input: JSON.parse(record.input) as Json });
    for (const entry of record.entries) {
      // Re-based: an event is as old on our clock as the database says it is.
      for (const event of JSON.parse(entry.entry) as TransactionEvent[]) live.replay(event, nowMs - entry.ageMs);
    }
    live.epoch = record.epoch;
    live.seq = record.seq;
    live.mailSeen = record.mailSeen;
    return live;
  } catch (error) {
    notify({ kind: "unreadable", gid, error: textOf(error) });
    return undefined;
  }
}
