/**
 * The gate that needs nothing but the stock's ledger: units are leased in chunks and sold from memory for as long as heartbeats are heard.
 * This process ends a chunk by its own clock before the stock may, so one that was paused sells nothing that has been given to others.
 */
import type { StockDoor } from "../../contracts.ts";
import type { Asking } from "../../service/ask.ts";
import type { Admitted, Gate } from "../gate.ts";
import { Counter } from "./counter.ts";

export interface EscrowOptions {
  readonly stock: Asking<StockDoor>;
  /** This gateway's name: chunks are leased to it. */
  readonly gateway: string;
  readonly chunkUnits: number;
  readonly onError: (error: unknown) => void;
  /** Milliseconds that never go back. */
  readonly clock?: () => number;
}

/** Nobody took from such a chunk, or gave back to it: empty ones, rests too small for anybody, units that others may want. */
const IDLE_MS = 5_000;
const COUNTER_IDLE_MS = 60_000;
const COUNTERS_MAX = 1_000;
const BEATS_PER_LEASE = 3;
const USUAL_LEASE_MS = 3_000;
const CHUNKS_PER_QUESTION = 200;
const END_TIMEOUT_MS = 1_000;

export function openEscrow(options: EscrowOptions): Gate {
  return new Escrow(options);
}

class Escrow implements Gate {
  readonly #options: EscrowOptions;
  readonly #clock: () => number;
  readonly #counters = new Map<string, Counter>();
  #beatMs = USUAL_LEASE_MS / BEATS_PER_LEASE;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: EscrowOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#schedule(this.#beatMs);
  }

  admit(sku: string, units: number): Admitted | Promise<Admitted> {
    return this.#counterOf(sku)?.admit(units) ?? { kind: "overloaded", retryAfterMs: 1_000 };
  }

  giveBack(admission: Parameters<Gate["giveBack"]>[0]): void {
    this.#counters.get(admission.sku)?.giveBack(admission);
  }

  async remaining(sku: string): Promise<number | undefined> {
    return this.#counterOf(sku)?.remaining();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    const counters = [...this.#counters.values()];
    for (const counter of counters) counter.stop();
    await this.#beating;
    await this.#end(counters.flatMap(({ shelf }) => shelf.ids()));
  }

  #counterOf(sku: string): Counter | undefined {
    const known = this.#counters.get(sku);
    if (known !== undefined || this.#stopped || this.#counters.size >= COUNTERS_MAX) return known;
    const { stock, gateway, chunkUnits, onError } = this.#options;
    const counter = new Counter(sku, { stock, gateway, chunkUnits, onError, clock: this.#clock, onLease: (leaseMs) => this.#keepUp(leaseMs) });
    this.#counters.set(sku, counter);
    return counter;
  }

  /** A shorter lease needs a faster heart. */
  #keepUp(leaseMs: number): void {
    // Whole milliseconds: it is a question's time limit as well, and those are refused with a fraction.
    const beatMs = Math.floor(leaseMs / BEATS_PER_LEASE);
    if (beatMs >= this.#beatMs) return;
    this.#beatMs = beatMs;
    this.#schedule(this.#beatMs);
  }

  #schedule(delayMs: number): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      const begunAt = performance.now();
      this.#timer = undefined;
      this.#beating = this.#beat().finally(() => this.#schedule(Math.max(1, this.#beatMs - (performance.now() - begunAt))));
    }, delayMs);
  }

  async #beat(): Promise<void> {
    const now = this.#clock();
    const idle: string[] = [];
    for (const [sku, counter] of this.#counters) {
      // Off the shelf first: from here on nobody is promised these.
      for (const id of counter.shelf.untouchedSince(now - IDLE_MS)) {
        counter.shelf.drop(id);
        idle.push(id);
      }
      if (counter.isIdle && now - counter.usedAt > COUNTER_IDLE_MS) this.#counters.delete(sku);
    }
    await Promise.all([this.#renew(), this.#end(idle)]);
  }

  async #renew(): Promise<void> {
    const owners = [...this.#counters.values()].flatMap(({ shelf }) => shelf.ids().map((id) => ({ id, shelf })));
    await Promise.all(
      pages(owners).map(async (page) => {
        const askedAt = this.#clock();
        try {
          const { open } = await this.#options.stock.ask("/stock/renew-chunks", { gateway: this.#options.gateway, chunks: page.map(({ id }) => id) }, { timeoutMs: this.#beatMs });
          const stillOpen = new Set(open);
          for (const { id, shelf } of page) {
            if (stillOpen.has(id)) shelf.renew(id, askedAt);
            else shelf.drop(id);
          }
        } catch (error) {
          // The next beat comes soon; until one is answered, the clock goes on against these chunks.
          this.#options.onError(error);
        }
      }),
    );
  }

  /** Of those that it does not reach, the stock hears no heartbeat any more: they end a little later. */
  async #end(ids: readonly string[]): Promise<void> {
    const ended = await Promise.allSettled(pages(ids).map((chunks) => this.#options.stock.ask("/stock/end-chunks", { chunks }, { timeoutMs: END_TIMEOUT_MS })));
    for (const one of ended) if (one.status === "rejected") this.#options.onError(one.reason);
  }
}

function pages<Item>(items: readonly Item[]): Item[][] {
  return Array.from({ length: Math.ceil(items.length / CHUNKS_PER_QUESTION) }, (_, page) => items.slice(page * CHUNKS_PER_QUESTION, (page + 1) * CHUNKS_PER_QUESTION));
}
