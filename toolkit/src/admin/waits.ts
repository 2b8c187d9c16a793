import { TripactError } from "../protocol/errors.ts";

/**
 * Waiting for what may take for ever. A request waits for a bounded time, but what it waits for goes on, so that the same wait is
 * shared by all who ask for it, and there is a limit to how many go on at once.
 */
export class Waits {
  readonly #max: number;
  readonly #going = new Map<string, Promise<unknown>>();

  constructor(max: number) {
    this.#max = max;
  }

  get full(): boolean {
    return this.#going.size >= this.#max;
  }

  /** What `work` gives, or undefined when `ms` is over or `stop` aborts first. `key` names the work: with the same key it is done once. */
  async within<T>(key: string, ms: number, stop: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    if (this.full && !this.#going.has(key)) {
      throw new TripactError("overloaded", `This server waits for ${this.#max} transactions already.`, { hint: "Ask for the outcome a little later.", retryAfterMs: 1_000 });
    }
    // The key says what the work is about, so its promise is of the type that this caller expects.
    const going = (this.#going.get(key) as Promise<T> | undefined) ?? this.#begin(key, work);
    const { promise: over, resolve: giveUp } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => giveUp(undefined), ms);
    const onStop = (): void => giveUp(undefined);
    stop.addEventListener("abort", onStop, { once: true });
    if (stop.aborted) giveUp(undefined);
    try {
      return await Promise.race([going, over]);
    } finally {
      clearTimeout(timer);
      stop.removeEventListener("abort", onStop);
    }
  }

  #begin<T>(key: string, work: () => Promise<T>): Promise<T> {
    const going = work().finally(() => this.#going.delete(key));
    this.#going.set(key, going);
    return going;
  }
}
