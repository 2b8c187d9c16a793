import type { LoggedMessage } from "../../stores/outbox-log.ts";

const FIRST_BYTES = 65_536;
const LEAST_BYTES = 256;

/** How large messages are, judged by those before: on the safe side at first, growing at once, shrinking slowly, since a bound is for the worst. */
export class Sizing {
  #usualBytes = FIRST_BYTES;

  /** How many messages fit, about. */
  within(bytes: number): number {
    return Math.floor(bytes / this.#usualBytes);
  }

  saw(messages: readonly LoggedMessage[]): void {
    if (messages.length === 0) return;
    const mean = messages.reduce((sum, { payload }) => sum + payload.length, 0) / messages.length;
    this.#usualBytes = Math.max(LEAST_BYTES, mean, this.#usualBytes * 0.8);
  }
}
