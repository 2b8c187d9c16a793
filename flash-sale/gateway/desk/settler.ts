/** Finds out what became of placements that were not answered. To be told `never-placed` makes it so. */
import type { OrdersDoor } from "../../contracts.ts";
import type { Asking } from "../../service/ask.ts";

export type Settled = "placed" | "never-placed";

interface Unsettled {
  readonly orderId: string;
  readonly settled: (outcome: Settled) => void;
}

const UNSETTLED_MAX = 2_000;
const AT_ONCE = 16;
const AGAIN_MS = 250;

export class Settler {
  readonly #orders: Asking<OrdersDoor>;
  readonly #queue: Unsettled[] = [];
  readonly #stop = new AbortController();
  readonly #runners = new Set<Promise<void>>();
  #asked = 0;
  /** Counted down in the very step that finds the queue empty, so nothing that is added then is left lying. */
  #running = 0;

  constructor(orders: Asking<OrdersDoor>) {
    this.#orders = orders;
  }

  get size(): number {
    return this.#queue.length + this.#asked;
  }

  /** Then no new placement may be begun: its end could be one more. */
  isFull(placementsInFlight: number): boolean {
    return this.size + placementsInFlight >= UNSETTLED_MAX;
  }

  add(orderId: string, settled: (outcome: Settled) => void): void {
    this.#queue.push({ orderId, settled });
    if (this.#stop.signal.aborted || this.#running >= AT_ONCE) return;
    this.#running += 1;
    const runner: Promise<void> = this.#run().finally(() => this.#runners.delete(runner));
    this.#runners.add(runner);
  }

  /** What is not settled by then is left to the stock: it asks the orders when the chunk ends. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#runners);
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#asked += 1;
      const outcome = await this.#ask(next.orderId);
      this.#asked -= 1;
      if (outcome === undefined) {
        this.#queue.push(next);
        await pause(AGAIN_MS, this.#stop.signal);
      } else {
        next.settled(outcome);
      }
    }
    this.#running -= 1;
  }

  async #ask(orderId: string): Promise<Settled | undefined> {
    try {
      return (await this.#orders.ask("/orders/settle", { orderId })).kind;
    } catch {
      return undefined;
    }
  }
}

async function pause(forMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, forMs);
  const onAbort = (): void => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", onAbort);
}
