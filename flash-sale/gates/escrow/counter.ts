/** Sells one item from its shelf, and has the shelf refilled by the stock. */
import type { StockDoor } from "../../contracts.ts";
import { NotTaken, type Asking } from "../../service/ask.ts";
import type { Admission, Admitted } from "../gate.ts";
import { Shelf } from "./shelf.ts";

export interface CounterOptions {
  readonly stock: Asking<StockDoor>;
  readonly gateway: string;
  readonly chunkUnits: number;
  readonly clock: () => number;
  readonly onError: (error: unknown) => void;
  /** A chunk with this lease has come. */
  readonly onLease: (leaseMs: number) => void;
}

interface Waiter {
  readonly units: number;
  readonly since: number;
  readonly resolve: (admitted: Admitted) => void;
}

/** Chunks that are sold from at the same time, and questions for more that are under way. */
const STRIPES = 8;
const LEASES_AT_ONCE = 3;
/** Whoever sells half of it in a shorter time gets several chunks at once. */
const FAST_MS = 1_000;
/** Units may come back; until then nobody asks again. */
const SOLD_OUT_MS = 200;
/** And while somebody asks, the last word still stands for this long: ten thousand who are told no need not wait for the eleventh time it is asked. */
const SOLD_OUT_STANDS_MS = 2_000;
const TROUBLE_MS = 200;
const LEASE_TIMEOUT_MS = 1_000;
const WAITING_MAX = 512;
const WAIT_MS = 1_000;
/** With those that are empty and not yet ended. */
const CHUNKS_MAX = 4_096;
const LEVELS_FRESH_MS = 500;

const soldOut: Admitted = { kind: "sold-out" };
const overloaded: Admitted = { kind: "overloaded", retryAfterMs: 1_000 };

export class Counter {
  readonly shelf = new Shelf();
  readonly #sku: string;
  readonly #options: CounterOptions;
  #waiting: Waiter[] = [];
  #leasesUnderWay = 0;
  #leasedAt = -Infinity;
  #soldOutUntil = -Infinity;
  #troubleUntil = -Infinity;
  #remaining: { readonly at: number; readonly units: Promise<number | undefined> } | undefined;
  #stopped = false;
  usedAt: number;

  constructor(sku: string, options: CounterOptions) {
    this.#sku = sku;
    this.#options = options;
    this.usedAt = options.clock();
  }

  get isIdle(): boolean {
    return this.shelf.size === 0 && this.#waiting.length === 0 && this.#leasesUnderWay === 0;
  }

  admit(units: number): Admitted | Promise<Admitted> {
    const now = this.#options.clock();
    this.usedAt = now;
    if (this.#stopped) return overloaded;
    const chunk = this.shelf.take(units, now);
    if (chunk !== undefined) {
      if (this.shelf.isHalfSold(now)) this.#refill(now);
      return admittedFrom(this.#sku, chunk, units);
    }
    if (now < this.#soldOutUntil + SOLD_OUT_STANDS_MS) {
      this.#refill(now);
      return soldOut;
    }
    if (now < this.#troubleUntil || this.#waiting.length >= WAITING_MAX) return overloaded;
    const { promise, resolve } = Promise.withResolvers<Admitted>();
    this.#waiting.push({ units, since: now, resolve });
    this.#refill(now);
    return promise;
  }

  giveBack({ chunk, units }: Admission): void {
    if (chunk === null) return;
    this.shelf.giveBack(chunk, units, this.#options.clock());
    this.#serve();
  }

  /** What the stock says, not older than half a second; of the last time when it does not answer. */
  async remaining(): Promise<number | undefined> {
    const now = this.#options.clock();
    const last = this.#remaining;
    if (last === undefined || now - last.at >= LEVELS_FRESH_MS) this.#remaining = { at: now, units: this.#askLevels(last?.units) };
    return this.#remaining?.units;
  }

  stop(): void {
    this.#stopped = true;
    for (const { resolve } of this.#waiting) resolve(overloaded);
    this.#waiting = [];
  }

  async #askLevels(last: Promise<number | undefined> | undefined): Promise<number | undefined> {
    try {
      const answer = await this.#options.stock.ask("/stock/levels", { sku: this.#sku }, { timeoutMs: LEASE_TIMEOUT_MS });
      return answer.kind === "found" ? answer.levels.free + answer.levels.leased : undefined;
    } catch {
      return last;
    }
  }

  #refill(now: number): void {
    if (this.#stopped || now < this.#soldOutUntil || now < this.#troubleUntil || this.shelf.size >= CHUNKS_MAX) return;
    const atOnce = now - this.#leasedAt < FAST_MS ? LEASES_AT_ONCE : 1;
    // One that waits may need more units than any of the open chunks has left.
    const wanted = Math.max(Math.min(atOnce, STRIPES - this.shelf.stripes), this.#waiting.length > 0 ? 1 : 0);
    while (this.#leasesUnderWay < wanted) {
      this.#leasesUnderWay += 1;
      void this.#lease();
    }
  }

  async #lease(): Promise<void> {
    const { stock, gateway, chunkUnits, clock, onError, onLease } = this.#options;
    const units = this.#waiting.reduce((most, waiter) => Math.max(most, waiter.units), chunkUnits);
    const askedAt = clock();
    try {
      const answer = await stock.ask("/stock/lease-chunk", { gateway, sku: this.#sku, units }, { timeoutMs: LEASE_TIMEOUT_MS });
      if (answer.kind === "leased") {
        this.#leasedAt = clock();
        this.#soldOutUntil = -Infinity;
        // A lease that nobody renews ends by itself.
        if (!this.#stopped) this.shelf.put({ id: answer.chunk, units: answer.units, leaseMs: answer.leaseMs }, askedAt);
        onLease(answer.leaseMs);
      } else {
        this.#soldOutUntil = clock() + SOLD_OUT_MS;
      }
    } catch (error) {
      // If it was leased all the same, it is never renewed, and its units return.
      this.#troubleUntil = clock() + TROUBLE_MS;
      if (error instanceof NotTaken) onError(error);
    } finally {
      this.#leasesUnderWay -= 1;
      this.#serve();
    }
  }

  /** Every question for more ends within its timeout and comes here, so nobody waits for longer than that and `WAIT_MS`. */
  #serve(): void {
    if (this.#waiting.length === 0) return;
    const now = this.#options.clock();
    const isLast = this.#leasesUnderWay === 0;
    this.#waiting = this.#waiting.filter(({ units, since, resolve }) => {
      const chunk = this.shelf.take(units, now);
      if (chunk !== undefined) resolve(admittedFrom(this.#sku, chunk, units));
      else if (isLast && now < this.#soldOutUntil) resolve(soldOut);
      else if ((isLast && (now < this.#troubleUntil || this.shelf.size >= CHUNKS_MAX)) || now - since >= WAIT_MS) resolve(overloaded);
      else return true;
      return false;
    });
    if (this.#waiting.length > 0) this.#refill(now);
  }
}

function admittedFrom(sku: string, chunk: string, units: number): Admitted {
  return { kind: "admitted", admission: { sku, chunk, units } };
}
