import { textOf, TripactError } from "../../protocol/errors.ts";
import type { DefinitionVersion, JournalRecord } from "../../stores/store.ts";
import type { Live } from "../live.ts";
import { HandingBack, type HandingBackParts } from "./handing-back.ts";
import { Taking, type TakingParts } from "./taking.ts";

export interface RecoveryParts extends TakingParts, HandingBackParts {
  readonly mayWrite: () => boolean;
  readonly runs: readonly DefinitionVersion[];
  readonly adopt: (live: Live, record: JournalRecord) => void;
}

/**
 * Takes over what nobody drives: bumps the epoch in slices and commits, then reads (two statements: one that does both would miss the
 * old owner's last flush), and drives on from the journal.
 */
export class Recovery {
  readonly taking: Taking;
  readonly handingBack: HandingBack;
  readonly #parts: RecoveryParts;
  #sweeping: Promise<void> = Promise.resolve();
  #running = false;
  #again = false;
  #drained = false;
  #stopped = false;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
    this.taking = new Taking(parts);
    this.handingBack = new HandingBack(parts);
  }

  /** No backlog is left that this node could recover. */
  get drained(): boolean {
    return this.#drained;
  }

  stop(): void {
    this.#stopped = true;
    this.handingBack.stop();
  }

  /** Claims everything that is nobody's. One sweep at a time; a request during a sweep leads to one more. */
  sweep(): Promise<void> {
    this.#again = true;
    if (!this.#running) this.#sweeping = this.#run();
    return this.#sweeping;
  }

  /** Reads what this node owns of these, and drives it. */
  async takeOwn(gids: readonly string[], owner = this.#parts.owner()): Promise<void> {
    const isWanted = (): boolean => !this.#stopped && owner === this.#parts.owner();
    if (gids.length > 0) await this.taking.take(gids, { owner, isWanted, adopt: this.#parts.adopt });
  }

  async #run(): Promise<void> {
    const { clock, notify } = this.#parts;
    this.#running = true;
    try {
      while (this.#again && !this.#stopped && this.#parts.mayWrite()) {
        this.#again = false;
        const beganMs = clock.nowMs();
        const count = await this.#claimAll();
        if (count > 0) notify({ kind: "took-over", transactions: count, tookMs: clock.nowMs() - beganMs });
        this.#drained = true;
      }
    } finally {
      // In the same turn as the last look at the wish: one that came in between would be granted by nobody.
      this.#running = false;
    }
  }

  async #claimAll(): Promise<number> {
    let count = 0;
    for (;;) {
      const owner = this.#parts.owner();
      const slice = await this.#claim(owner);
      if (slice === undefined) return count;
      const { gids, limit } = slice;
      await this.takeOwn(gids, owner);
      count += gids.length;
      if (gids.length < limit) return count;
    }
  }

  /** One slice. Waits trouble with the store out, with a smaller slice where only the slice is the trouble. Undefined once this node stops. */
  async #claim(owner: string): Promise<{ readonly gids: readonly string[]; readonly limit: number } | undefined> {
    const { journal, tuning, clock, notify, runs } = this.#parts;
    const claim = { claimId: clock.uuid(), owner, from: [], runs, except: this.handingBack.except() };
    let limit = tuning.claimSlice;
    for (let attempt = 0; !this.#stopped; attempt += 1) {
      try {
        // A claim whose reply was lost has claimed; what was claimed must be read, or nobody drives it.
        return { gids: await journal.claim({ ...claim, limit }), limit };
      } catch (error) {
        if (!(error instanceof TripactError)) throw error;
        notify({ kind: "store", error: textOf(error) });
        limit = Math.ceil(limit / 2);
        await new Promise<void>((resolve) => clock.after(Math.min(tuning.flushRetryMs * 2 ** Math.min(attempt, 5), 1_000), resolve));
      }
    }
    return undefined;
  }
}
