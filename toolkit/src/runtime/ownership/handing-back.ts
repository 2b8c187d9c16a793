import { textOf } from "../../protocol/errors.ts";
import type { Journal } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

export interface HandingBackParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
  readonly owner: () => string;
  /** Tells the other nodes that there is something to claim. */
  readonly announce: () => void;
}

/** A minute at first, then twice as long each time, an hour at most: a node that cannot may learn to, and each try leaves an entry. */
const AGAIN_FIRST_MS = 60_000;
const AGAIN_MAX_MS = 3_600_000;
/** More of them than this are remembered by nobody: the oldest is tried again sooner. */
const REMEMBERED_MAX = 1_000;

/**
 * Note 11, for participants: what this node cannot drive on, because it does not reach a participant that another node does, is nobody's
 * again: unclaimed, visible, and taken up by a node that can. This node leaves it alone for a while.
 */
export class HandingBack {
  readonly #parts: HandingBackParts;
  readonly #left = new Map<string, { readonly untilMs: number; readonly gapMs: number }>();
  #stopped = false;

  constructor(parts: HandingBackParts) {
    this.#parts = parts;
  }

  /** What this node does not claim now. */
  except(): readonly string[] {
    const nowMs = this.#parts.clock.nowMs();
    return [...this.#left].filter(([, { untilMs }]) => untilMs > nowMs).map(([gid]) => gid);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Of a transaction that memory has given up already, and whose last entry is durable. */
  async giveBack(gid: string, branch: string, participant: string): Promise<void> {
    const { journal, clock, tuning, notify, owner, announce } = this.#parts;
    const me = owner();
    notify({ kind: "handed-back", gid, branch, participant });
    const gapMs = Math.min((this.#left.get(gid)?.gapMs ?? AGAIN_FIRST_MS / 2) * 2, AGAIN_MAX_MS);
    this.#left.delete(gid);
    this.#left.set(gid, { untilMs: clock.nowMs() + gapMs, gapMs });
    for (const oldest of this.#left.keys()) if (this.#left.size > REMEMBERED_MAX) this.#left.delete(oldest);
    // A node that stops, or was fenced, hands everything over anyway.
    while (!this.#stopped && me === owner()) {
      try {
        await journal.release(me, [gid]);
        return announce();
      } catch (error) {
        notify({ kind: "store", error: textOf(error) });
        await new Promise<void>((resolve) => clock.after(tuning.flushRetryMs, resolve));
      }
    }
  }
}
