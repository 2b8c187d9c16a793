import type { Clock } from "../clock.ts";

/** Named timers of one owner: a name is set once at a time, and all end together. */
export class Timers {
  readonly #clock: Clock;
  readonly #cancels = new Map<string, () => void>();
  #stopped = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `then` after `ms`, instead of what this name stood for. */
  later(name: string, ms: number, then: () => void): void {
    if (this.#stopped) return;
    this.cancel(name);
    this.#cancels.set(
      name,
      this.#clock.after(ms, () => {
        this.#cancels.delete(name);
        then();
      }),
    );
  }

  /** Again and again, `ms` after the last. */
  every(name: string, ms: number, run: () => void): void {
    this.later(name, ms, () => {
      run();
      this.every(name, ms, run);
    });
  }

  cancel(name: string): void {
    this.#cancels.get(name)?.();
    this.#cancels.delete(name);
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}

export interface PaceLimits {
  readonly minMs: number;
  readonly hotMs: number;
  readonly maxMs: number;
  readonly gatherMs: number;
}

/**
 * How soon to look again: every `minMs` while it is hot, and then ever more rarely, up to `maxMs`; sooner when somebody says that there is something,
 * but not twice within `gatherMs`.
 */
export class Pace {
  readonly #limits: PaceLimits;
  #everyMs: number;
  #hotUntilMs = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(limits: PaceLimits) {
    this.#limits = limits;
    this.#everyMs = limits.minMs;
  }

  get everyMs(): number {
    return Math.max(this.#everyMs, this.#limits.gatherMs);
  }

  /** Nothing has been found for long. */
  get isIdle(): boolean {
    return this.#everyMs >= this.#limits.maxMs;
  }

  /** Looking now. */
  looks(nowMs: number): void {
    this.#lookedAtMs = nowMs;
  }

  heat(nowMs: number): void {
    this.#everyMs = this.#limits.minMs;
    this.#hotUntilMs = nowMs + this.#limits.hotMs;
  }

  foundNothing(nowMs: number): void {
    if (nowMs > this.#hotUntilMs) this.#everyMs = Math.min(Math.max(this.#everyMs * 2, 1), this.#limits.maxMs);
  }

  /** Until the next look may begin when there is something. */
  restMs(nowMs: number): number {
    return Math.max(0, this.#lookedAtMs + this.#limits.gatherMs - nowMs);
  }
}
