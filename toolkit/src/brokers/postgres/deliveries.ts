import { TripactError } from "../../protocol/errors.ts";
import type { Envelope, Receipt } from "../broker.ts";

/** What both sinks here owe around their own work: no more than they take, nothing for whoever gave up, nothing after the end. */
export class Deliveries {
  readonly #name: string;
  readonly #batchMax: number;
  readonly #underWay = new Set<Promise<unknown>>();
  #closed = false;

  constructor(name: string, batchMax: number) {
    if (!Number.isInteger(batchMax) || batchMax < 1) throw new TripactError("invalid-option", `batchMax is a whole number above 0, not ${String(batchMax)}.`, { where: `${name}.batchMax` });
    this.#name = name;
    this.#batchMax = batchMax;
  }

  /** What `work` says, or unknown as soon as `signal` aborts: a transaction that is on its way goes on alone, and the inbox knows. */
  async run(messages: readonly Envelope[], signal: AbortSignal, work: () => Promise<readonly Receipt[]>): Promise<readonly Receipt[]> {
    if (messages.length > this.#batchMax) throw new TripactError("too-large", `${messages.length} messages at once, the limit is ${this.#batchMax}.`, { where: `${this.#name}.deliver` });
    const all = (error: string): readonly Receipt[] => messages.map(() => ({ kind: "unknown", error }));
    if (this.#closed) return all("closed: this sink was closed");
    if (signal.aborted) return all("called off");
    if (messages.length === 0) return [];
    const { promise: aborted, resolve } = Promise.withResolvers<readonly Receipt[]>();
    const onAbort = (): void => resolve(all("called off"));
    signal.addEventListener("abort", onAbort, { once: true });
    const delivery = Promise.race([work(), aborted]);
    this.#underWay.add(delivery);
    try {
      return await delivery;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#underWay.delete(delivery);
    }
  }

  /** Takes nothing more; resolves when nothing is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#underWay);
  }
}
