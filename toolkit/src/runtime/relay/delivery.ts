import { ORIGIN, type Envelope, type Receipt } from "../../brokers/broker.ts";
import { askAgainInMs } from "../../protocol/retry.ts";
import type { LoggedMessage } from "../../stores/outbox-log.ts";
import type { Clock } from "../clock.ts";
import type { Notify } from "../notices.ts";
import type { SubscriptionPlan } from "./options.ts";
import { clipped } from "./retry-queue.ts";

export interface DeliveryParts {
  readonly plan: SubscriptionPlan;
  readonly source: string;
  readonly clock: Clock;
  readonly notify: Notify;
  readonly mayRetry: () => boolean;
  /** A worker is free, or a pause is over. */
  readonly onRoom: () => void;
}

const USUAL_OF = 20;
const SLOW_FACTOR = 4;
/** Calls that hang may grow to this many times the workers. */
const SLOW_WORKERS_FACTOR = 4;

/**
 * The workers of one subscription: bounded calls of the sink, each within `lockMs`. Tells a message that cannot be delivered from a receiver that is down: while
 * the receiver is down nothing is tried, counted or copied, but for one call now and then.
 */
export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #running = new Map<AbortController, number>();
  /** How long a call usually takes: a moving average. */
  #usualMs = 0;
  #retrying = 0;
  /** Retries that wait for a worker. */
  readonly #waiting: (() => void)[] = [];
  /** Messages of the retry table since the last first delivery. */
  #retriedInARow = 0;
  /** Counts how often all was called off. */
  #life = 0;
  #unknownInARow = 0;
  /** When the first of them ended. */
  #downSinceMs = 0;
  /** The last batch failed as a whole: until something is done, messages go one by one, for one of them may be what broke the others. */
  #oneByOne = false;
  #pausedUntilMs = 0;
  #cancelPause: (() => void) | undefined;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  get busy(): number {
    return this.#running.size;
  }

  /** A call that takes longer than this stands out: it holds up others, and is no measure of the receiver. */
  get slowMs(): number {
    return Math.max(this.#parts.plan.slowMs, SLOW_FACTOR * this.#usualMs);
  }

  /** How many messages a first delivery may take now; 0: none. */
  room(batchMax: number): number {
    return this.#isFree() ? this.batch(batchMax) : 0;
  }

  /** How many messages may go together. */
  batch(batchMax: number): number {
    return this.isDown || this.#oneByOne ? 1 : batchMax;
  }

  /** Calls the sink; `then` gets a receipt a message, or undefined: not delivered, for no fault of theirs. */
  first(messages: readonly LoggedMessage[], then: (receipts: readonly Receipt[] | undefined) => void): void {
    this.#retriedInARow = 0;
    this.#call(messages, 0, () => undefined).then(then, (error: unknown) => this.#parts.notify({ kind: "bug", where: "delivery", error: clipped(error) }));
  }

  /** Calls the sink for messages of the retry table, when there is a worker: half of them at most. */
  async again(messages: readonly LoggedMessage[], attempts: number): Promise<readonly Receipt[] | undefined> {
    const life = this.#life;
    while (!this.#mayRetryNow()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (life !== this.#life) return undefined;
    }
    // Asked when it goes out: a relay that stood still wakes up with rows that were due meanwhile, and that its heir has by now.
    if (!this.#parts.mayRetry()) return undefined;
    this.#retrying += 1;
    this.#retriedInARow += messages.length;
    return await this.#call(messages, attempts, () => {
      this.#retrying -= 1;
    });
  }

  /** What is under way is called off; nobody waits for its answers. */
  forget(): void {
    this.#life += 1;
    for (const controller of this.#running.keys()) controller.abort();
    this.#running.clear();
    this.#cancelPause?.();
    this.#pausedUntilMs = 0;
    for (const resume of this.#waiting.splice(0)) resume();
  }

  /** Nothing but unknown ends for a while: it is asked now and then only. */
  get isDown(): boolean {
    return this.#unknownInARow >= this.#parts.plan.breakerAfter;
  }

  #mayRetryNow(): boolean {
    return this.#isFree() && this.#retrying < Math.max(1, Math.floor(this.#parts.plan.workers / 2));
  }

  /** Calls that stand out do not take the place of others, up to a bound. */
  #isFree(): boolean {
    const { plan, clock } = this.#parts;
    const nowMs = clock.nowMs();
    if (this.#pausedUntilMs > nowMs) return false;
    if (this.isDown) return this.#running.size < 1;
    if (this.#running.size < plan.workers) return true;
    let slow = 0;
    for (const sinceMs of this.#running.values()) if (nowMs - sinceMs > this.slowMs) slow += 1;
    return this.#running.size - slow < plan.workers && this.#running.size < SLOW_WORKERS_FACTOR * plan.workers;
  }

  /** `onEnd` is called before anybody is told that there is room: whoever is, looks at what it says. */
  async #call(messages: readonly LoggedMessage[], attempts: number, onEnd: () => void): Promise<readonly Receipt[] | undefined> {
    const { clock } = this.#parts;
    const life = this.#life;
    const controller = new AbortController();
    const sinceMs = clock.nowMs();
    this.#running.set(controller, sinceMs);
    try {
      const receipts = await this.#within(messages, attempts, controller);
      // Called off by us: that says nothing of the receiver.
      if (life !== this.#life) return undefined;
      this.#usualMs += (clock.nowMs() - sinceMs - this.#usualMs) / USUAL_OF;
      return this.#heard(messages, receipts) ? receipts : undefined;
    } finally {
      this.#running.delete(controller);
      onEnd();
      this.#free();
    }
  }

  /** Never rejects: whatever a sink throws is an unknown end. */
  #within(messages: readonly LoggedMessage[], attempts: number, controller: AbortController): Promise<readonly Receipt[]> {
    const { plan, clock, source } = this.#parts;
    const all = (error: string): readonly Receipt[] => messages.map(() => ({ kind: "unknown", error }));
    return new Promise((resolve) => {
      const cancel = clock.after(plan.lockMs, () => {
        controller.abort();
        resolve(all(`no answer within ${plan.lockMs} ms`));
      });
      const answer = (receipts: unknown): void => {
        cancel();
        resolve(messages.map((_, index) => receiptIn(receipts, index)));
      };
      controller.signal.addEventListener("abort", () => answer(all("called off")));
      try {
        const envelopes = messages.map((message) => envelopeOf(message, source, attempts + 1));
        plan.sink.deliver(envelopes, controller.signal).then(answer, (error: unknown) => answer(all(clipped(error))));
      } catch (error) {
        answer(all(clipped(error)));
      }
    });
  }

  /** False: the receiver seems to be down, and these messages have not been tried in earnest. */
  #heard(messages: readonly LoggedMessage[], receipts: readonly Receipt[]): boolean {
    const { plan, clock, notify } = this.#parts;
    if (receipts.some(({ kind }) => kind !== "unknown") || messages.length === 0) {
      if (this.isDown) notify({ kind: "subscription-resumed", subscription: plan.name });
      this.#unknownInARow = 0;
      this.#oneByOne = false;
      return true;
    }
    const wasDown = this.isDown;
    const nowMs = clock.nowMs();
    if (this.#unknownInARow === 0) this.#downSinceMs = nowMs;
    this.#unknownInARow += 1;
    if (messages.length > 1) this.#oneByOne = true;
    if (!this.isDown) return messages.length === 1;
    const [first] = receipts;
    if (!wasDown) notify({ kind: "subscription-paused", subscription: plan.name, error: first?.kind === "unknown" ? clipped(first.error) : "" });
    const pauseMs = askAgainInMs(nowMs - this.#downSinceMs, plan.breakerPauseMs);
    this.#pausedUntilMs = nowMs + pauseMs;
    this.#cancelPause?.();
    this.#cancelPause = clock.after(pauseMs, () => {
      // A timer may come a fraction of a millisecond early.
      this.#pausedUntilMs = 0;
      this.#free();
    });
    return false;
  }

  /** Time alone makes room too: calls that began to stand out. */
  look(): void {
    this.#free();
  }

  /**
   * Whoever waits to retry comes first, since others of its key wait behind it; but as many of them in a row as go together in a first
   * delivery, so that a table full of them does not hold up all that is new.
   */
  #free(): void {
    const { plan, clock, onRoom } = this.#parts;
    if (this.#retriedInARow < plan.sink.features.batchMax) this.#letRetry();
    clock.turn(() => {
      onRoom();
      this.#letRetry();
    });
  }

  #letRetry(): void {
    if (this.#mayRetryNow()) this.#waiting.shift()?.();
  }
}

/** Sinks are written by others: what is no receipt says nothing, and is never read as a yes or a no. */
function receiptIn(receipts: unknown, index: number): Receipt {
  const receipt = Array.isArray(receipts) ? (receipts[index] as Partial<Receipt> | null | undefined) : undefined;
  switch (receipt?.kind) {
    case "done":
      return { kind: "done" };
    case "refused":
      return { kind: "refused", code: textIn(receipt.code), error: textIn(receipt.error) };
    case "unknown":
      return { kind: "unknown", error: textIn(receipt.error) };
    case undefined:
    default:
      return { kind: "unknown", error: "the sink gave no receipt" };
  }
}

function textIn(value: unknown): string {
  return typeof value === "string" ? value : "";
}

const NO_HEADERS: Readonly<Record<string, string>> = {};

function envelopeOf({ id, topic, key, payload, headers, recordedAtMs }: LoggedMessage, source: string, attempt: number): Envelope {
  if (headers === "{}") return { id, source, topic, key, payload, headers: NO_HEADERS, recordedAtMs, attempt };
  const { [ORIGIN]: origin = source, ...own } = JSON.parse(headers) as Record<string, string>;
  return { id, source: origin, topic, key, payload, headers: own, recordedAtMs, attempt };
}
