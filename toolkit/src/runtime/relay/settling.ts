import type { Copy, OutboxLog } from "../../stores/outbox-log.ts";
import type { Clock } from "../clock.ts";
import type { RelayTuning } from "./options.ts";
import { joinOnto, type Settled } from "./pipeline.ts";

export interface SettlingParts {
  readonly subscription: string;
  readonly log: OutboxLog;
  readonly owner: () => string;
  readonly clock: Clock;
  readonly tuning: RelayTuning;
  /** These copies are in the retry table. */
  readonly onCommitted: (copies: readonly Copy[]) => void;
  /** Lanes were somebody else's. */
  readonly onFenced: () => void;
  /** It is written again, unless this stops us. */
  readonly onTrouble: (error: unknown) => void;
  readonly onWritten: () => void;
}

/** When to write how far a subscription came: `idle` every now and then unless there were deliveries, `usual` a little more often, `now` as soon as the last write is back. */
export type Urgency = "now" | "usual" | "idle";

/**
 * Writes cursors and copies, one write at a time, in order. Copies are written at once, mere cursors every now and then: a second delivery
 * is all that a lost one costs. A write whose reply was lost is done again: it says where things stand, not by how much they moved.
 */
export class Settling {
  readonly #parts: SettlingParts;
  #unsaved: Settled[] = [];
  #savedAtMs = Number.NEGATIVE_INFINITY;
  #writing = false;
  #stopped = false;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  /** Something is not written yet. */
  get pending(): boolean {
    return this.#writing || this.#unsaved.length > 0;
  }

  covers(lane: number): boolean {
    return this.#writing || this.#unsaved.some(({ lanes }) => lanes.some((owned) => owned.lane === lane));
  }

  collect(all: readonly Settled[]): void {
    for (const settled of all) joinOnto(this.#unsaved, settled);
  }

  write(urgency: Urgency): void {
    const { clock, tuning } = this.#parts;
    if (this.#writing || this.#stopped) return;
    const copies = this.#unsaved.some((settled) => settled.copies.length > 0);
    // After a crash all that were delivered meanwhile come again, however long ago that was.
    const delivered = this.#unsaved.some(({ messages }) => messages > 0);
    const everyMs = urgency === "idle" && !delivered ? tuning.idleSaveMs : tuning.saveEveryMs;
    if (urgency !== "now" && !copies && clock.nowMs() - this.#savedAtMs < everyMs) return;
    const next = this.#unsaved.shift();
    if (next === undefined) return;
    this.#writing = true;
    void this.#writeUntilKnown(next).then(() => {
      this.#writing = false;
      if (this.#stopped) return;
      if (this.#unsaved.length > 0) this.write("now");
      this.#parts.onWritten();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#unsaved = [];
  }

  /** Never rejects. */
  async #writeUntilKnown(settled: Settled): Promise<void> {
    const { log, subscription, owner, clock, tuning, onCommitted, onFenced, onTrouble } = this.#parts;
    const { lanes: covered, cursor, copies } = settled;
    while (!this.#stopped) {
      try {
        const lanes = await log.messages.settle({ subscription, owner: owner(), lanes: covered, cursor, copies });
        if (this.#stopped) return;
        this.#savedAtMs = clock.nowMs();
        if (lanes.length < covered.length) onFenced();
        else onCommitted(copies);
        return;
      } catch (error) {
        if (this.#stopped) return;
        onTrouble(error);
        await new Promise<void>((resolve) => clock.after(tuning.troubleMs, resolve));
      }
    }
  }
}
