/** Who is not to be tried again yet: each failure doubles the wait, up to a cap, on a clock that never goes back. */
export interface WaitsOptions {
  readonly baseMs: number;
  readonly capMs: number;
  /** Beyond it the oldest is forgotten, and so tried earlier than it should be. */
  readonly max?: number;
}

export class Waits {
  readonly #options: Required<WaitsOptions>;
  readonly #waits = new Map<string, { readonly tries: number; readonly untilMs: number }>();

  constructor({ max = 1_000, ...rest }: WaitsOptions) {
    this.#options = { max, ...rest };
  }

  /** Returns how often it has failed by now. */
  failed(key: string, nowMs: number): number {
    const tries = (this.#waits.get(key)?.tries ?? 0) + 1;
    const { baseMs, capMs, max } = this.#options;
    this.#waits.delete(key);
    const [oldest] = this.#waits.keys();
    if (oldest !== undefined && this.#waits.size >= max) this.#waits.delete(oldest);
    this.#waits.set(key, { tries, untilMs: nowMs + Math.min(capMs, baseMs * 2 ** Math.min(tries - 1, 20)) });
    return tries;
  }

  passed(key: string): void {
    this.#waits.delete(key);
  }

  waiting(nowMs: number): string[] {
    return [...this.#waits].filter(([, { untilMs }]) => untilMs > nowMs).map(([key]) => key);
  }

  /** When the first of those that wait may be tried. */
  nextAtMs(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const { untilMs } of this.#waits.values()) if (untilMs > nowMs && (next === undefined || untilMs < next)) next = untilMs;
    return next;
  }
}
