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
