/** At most `count` at a time; the others wait in line. */
export class Slots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** True when a slot is taken, which must be given back; false when `signal` aborted first. */
  async take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    if (this.#free > 0) {
      this.#free -= 1;
      return true;
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const enter = (): void => resolve(true);
    const onAbort = (): void => {
      if (this.#waiting.delete(enter)) resolve(false);
    };
    this.#waiting.add(enter);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const taken = await promise;
      // Called in, and aborted before it came to that: the next one has it.
      if (taken && signal.aborted) this.give();
      return taken && !signal.aborted;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  give(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
