/** Who waits in this process for the provider's word on an order. Only a short cut: whoever hears nothing looks at the row. */
import type { PaymentSettled } from "../contracts.ts";

/** Beyond it one waits for nothing, and looks. */
const WAITING_MAX = 10_000;

export class Waiters {
  readonly #waiting = new Map<string, (settled: PaymentSettled | undefined) => void>();

  /** What is told of the order here within `waitMs`; undefined if nothing is. */
  async waitFor(orderId: string, waitMs: number): Promise<PaymentSettled | undefined> {
    if (this.#waiting.size >= WAITING_MAX) return undefined;
    // Of two who wait for one order the first looks for himself.
    this.#waiting.get(orderId)?.(undefined);
    const { promise, resolve } = Promise.withResolvers<PaymentSettled | undefined>();
    this.#waiting.set(orderId, resolve);
    const timer = setTimeout(() => resolve(undefined), waitMs);
    const settled = await promise;
    clearTimeout(timer);
    if (this.#waiting.get(orderId) === resolve) this.#waiting.delete(orderId);
    return settled;
  }

  /** True if somebody waited. */
  tell(settled: PaymentSettled): boolean {
    const resolve = this.#waiting.get(settled.orderId);
    resolve?.(settled);
    return resolve !== undefined;
  }

  /** Nobody waits any longer. */
  stop(): void {
    for (const resolve of this.#waiting.values()) resolve(undefined);
  }
}
