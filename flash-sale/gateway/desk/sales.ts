/** The sales that this gateway knows: fetched from a worker on first use, with their orders, and forgotten when nobody asks any more. */
import type { OrdersDoor, Sale, SaleCounts } from "../../contracts.ts";
import type { Asking } from "../../service/ask.ts";
import { AcceptedReader } from "./accepted-reader.ts";
import { Accepted } from "./accepted.ts";

export interface OpenSale {
  readonly sale: Sale;
  readonly accepted: Accepted;
}
export type Found = { readonly kind: "found"; readonly open: OpenSale } | { readonly kind: "no-sale" } | { readonly kind: "overloaded" };
export type SaleView = { readonly kind: "found"; readonly sale: Sale; readonly counts: SaleCounts } | { readonly kind: "no-sale" } | { readonly kind: "overloaded" };

export interface SalesOptions {
  readonly orders: Asking<OrdersDoor>;
  readonly clock: () => number;
  readonly onError: (error: unknown) => void;
  /** Default: 500. */
  readonly refreshMs?: number;
}

interface Kept extends OpenSale {
  readonly reader: AcceptedReader;
  usedAt: number;
}

interface Asked<Answer> {
  readonly at: number;
  readonly answer: Promise<Answer>;
}

const SALES_MAX = 256;
/** In one sale. How many sales there are is the admin's to say, and how many orders, the stock's. */
const ACCEPTED_MAX = 200_000;
const UNUSED_MS = 60_000;
const REFRESH_MS = 500;
/** How long "there is no such sale" is believed, and "nobody answers". */
const NO_SALE_MS = 1_000;
const TROUBLE_MS = 200;
const VIEW_FRESH_MS = 500;
/** Questions about sales that are not known, remembered or under way. Skus are strangers' input. */
const ASKED_MAX = 1_000;
const UNDER_WAY_MAX = 64;

export class Sales {
  readonly #options: SalesOptions;
  readonly #kept = new Map<string, Kept>();
  readonly #missing = new Map<string, { readonly kind: "no-sale" | "overloaded"; readonly until: number }>();
  readonly #underWay = new Map<string, Promise<Found>>();
  readonly #views = new Map<string, Asked<SaleView>>();
  #timer: NodeJS.Timeout | undefined;
  #refreshing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: SalesOptions) {
    this.#options = options;
    this.#schedule();
  }

  known(sku: string, now: number): OpenSale | undefined {
    const kept = this.#kept.get(sku);
    if (kept !== undefined) kept.usedAt = now;
    return kept;
  }

  /** Never rejects. Those who ask for the same sale at the same time share one question. */
  async find(sku: string): Promise<Found> {
    const now = this.#options.clock();
    const known = this.known(sku, now);
    if (known !== undefined) return { kind: "found", open: known };
    const missing = this.#missing.get(sku);
    if (missing !== undefined && now < missing.until) return missing;
    const underWay = this.#underWay.get(sku);
    if (underWay !== undefined) return underWay;
    if (this.#underWay.size >= UNDER_WAY_MAX || this.#stopped) return { kind: "overloaded" };
    const found = this.#fetch(sku).finally(() => this.#underWay.delete(sku));
    this.#underWay.set(sku, found);
    return found;
  }

  /** A sale with its counts, not older than half a second. Never rejects. */
  async view(sku: string): Promise<SaleView> {
    const now = this.#options.clock();
    this.known(sku, now);
    const last = this.#views.get(sku);
    if (last !== undefined && now - last.at < VIEW_FRESH_MS) return last.answer;
    const answer = this.#askSale(sku);
    this.#views.delete(sku);
    this.#views.set(sku, { at: now, answer });
    dropFirst(this.#views, ASKED_MAX);
    return answer;
  }

  /** Of the sales that somebody has asked for lately, the newest last. */
  names(): readonly string[] {
    return [...this.#kept.keys()];
  }

  /** It was opened just now: what was believed of it is not true any more. */
  opened(sku: string): void {
    this.#missing.delete(sku);
    this.#views.delete(sku);
    this.#kept.delete(sku);
    void this.find(sku);
  }

  /** These orders may have given their units back. */
  doubt(orderId: string): void {
    for (const { accepted } of this.#kept.values()) accepted.doubt(orderId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#refreshing;
  }

  async #fetch(sku: string): Promise<Found> {
    const { orders, clock, onError } = this.#options;
    try {
      const answer = await orders.ask("/orders/sale", { sku });
      if (answer.kind === "unknown") return this.#miss(sku, "no-sale", NO_SALE_MS);
      const accepted = new Accepted(ACCEPTED_MAX);
      const reader = new AcceptedReader(orders, sku, accepted);
      await reader.load(clock());
      const kept: Kept = { sale: answer.sale, accepted, reader, usedAt: clock() };
      this.#kept.set(sku, kept);
      if (this.#kept.size > SALES_MAX) this.#dropLeastUsed();
      return { kind: "found", open: kept };
    } catch (error) {
      onError(error);
      return this.#miss(sku, "overloaded", TROUBLE_MS);
    }
  }

  #miss(sku: string, kind: "no-sale" | "overloaded", forMs: number): Found {
    this.#missing.delete(sku);
    this.#missing.set(sku, { kind, until: this.#options.clock() + forMs });
    dropFirst(this.#missing, ASKED_MAX);
    return { kind };
  }

  async #askSale(sku: string): Promise<SaleView> {
    try {
      const answer = await this.#options.orders.ask("/orders/sale", { sku });
      return answer.kind === "found" ? answer : { kind: "no-sale" };
    } catch (error) {
      this.#options.onError(error);
      return { kind: "overloaded" };
    }
  }

  #dropLeastUsed(): void {
    const [least] = [...this.#kept].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (least !== undefined) this.#kept.delete(least[0]);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#refreshing = this.#refresh().finally(() => this.#schedule());
    }, this.#options.refreshMs ?? REFRESH_MS);
  }

  async #refresh(): Promise<void> {
    for (const [sku, { reader, usedAt }] of [...this.#kept]) {
      if (this.#stopped) return;
      const now = this.#options.clock();
      try {
        if (now - usedAt > UNUSED_MS) this.#kept.delete(sku);
        else await reader.refresh(now);
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }
}

function dropFirst(map: Map<string, unknown>, max: number): void {
  if (map.size <= max) return;
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}
