import type { Clock } from "../clock.ts";

/** When a transaction that began inside somebody else's is looked for; nobody can say when that commits. The regular poll is the net below. */
export const LOOKS_MS: readonly number[] = [20, 100, 400];

/** Looks for work that was announced and may not be there yet. Announcements of the same moment share the looks. */
export class Looks {
  readonly #clock: Clock;
  readonly #look: () => void;
  /** Those that are due, and whether something was announced since each was set: then it is set once more. */
  readonly #due = new Map<number, boolean>();
  readonly #cancels = new Set<() => void>();
  #stopped = false;

  constructor(clock: Clock, look: () => void) {
    this.#clock = clock;
    this.#look = look;
  }

  expect(): void {
    if (this.#stopped) return;
    for (const ms of LOOKS_MS) {
      if (this.#due.has(ms)) this.#due.set(ms, true);
      else this.#lookAfter(ms);
    }
  }

  /** It is there. */
  now(): void {
    if (!this.#stopped) this.#look();
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #lookAfter(ms: number): void {
    this.#due.set(ms, false);
    const cancel = this.#clock.after(ms, () => {
      this.#cancels.delete(cancel);
      const again = this.#due.get(ms) === true;
      this.#due.delete(ms);
      if (this.#stopped) return;
      this.#look();
      if (again) this.#lookAfter(ms);
    });
    this.#cancels.add(cancel);
  }
}
