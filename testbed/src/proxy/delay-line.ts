/** Delivers things later and in their order: one timer, because two timers of rounded lengths may change places. */
export class DelayLine {
  readonly #waiting: { readonly dueMs: number; readonly deliver: () => void }[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** Delivers after `delayMs`, or later if something sent before is due later; at once when nothing waits and there is no delay. */
  send(delayMs: number, deliver: () => void): void {
    if (delayMs <= 0 && this.#waiting.length === 0) {
      deliver();
      return;
    }
    this.#waiting.push({ dueMs: performance.now() + delayMs, deliver });
    this.#schedule();
  }

  /** Delivers at once what waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) next.deliver();
  }

  #schedule(): void {
    const next = this.#waiting[0];
    if (next === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#deliverDue(), Math.max(0, next.dueMs - performance.now()));
  }

  #deliverDue(): void {
    this.#timer = undefined;
    const nowMs = performance.now();
    for (let next = this.#waiting[0]; next !== undefined && next.dueMs <= nowMs; next = this.#waiting[0]) {
      this.#waiting.shift();
      next.deliver();
    }
    this.#schedule();
  }
}
