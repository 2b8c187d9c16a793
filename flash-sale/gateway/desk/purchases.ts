/** One purchase as the gateway sees it: a repeat, refused, or promised units and placed. Whatever memory can say is said at once. */
import type { Admission, Admitted, Gate } from "../../gates/gate.ts";
import type { Buckets } from "../buckets.ts";
import { orderIdOf } from "./order-id.ts";
import type { Placing } from "./placing.ts";
import type { OpenSale, Sales } from "./sales.ts";
import type { Settled, Settler } from "./settler.ts";

export interface Wish {
  readonly sku: string;
  readonly buyer: string;
  readonly quantity: number;
  readonly requestId: string;
}

/** `burnt`: this request id was given up while its outcome was unknown; nothing has happened, and nothing will. */
export type Purchased =
  | { readonly kind: "accepted" | "unknown"; readonly orderId: string }
  | { readonly kind: "sold-out" | "limited" | "closed" | "conflict" | "burnt" | "no-sale" }
  | { readonly kind: "too-often" | "overloaded"; readonly retryAfterMs: number };

export interface PurchasesOptions {
  readonly gate: Gate;
  readonly sales: Sales;
  readonly placing: Placing;
  readonly settler: Settler;
  readonly buyers: Buckets;
  readonly clock: () => number;
  /** Unix time, for the sale's window. Default: `Date.now`. */
  readonly unixTime?: () => number;
}

interface UnderWay {
  readonly quantity: number;
  readonly answer: Promise<Purchased>;
}

/** Answers that wait for a gate, a worker, or for what became of them. */
const UNDER_WAY_MAX = 3_000;
const soldOut: Purchased = { kind: "sold-out" };
const limited: Purchased = { kind: "limited" };
const closed: Purchased = { kind: "closed" };
const conflict: Purchased = { kind: "conflict" };
const burnt: Purchased = { kind: "burnt" };
const noSale: Purchased = { kind: "no-sale" };
const overloaded: Purchased = { kind: "overloaded", retryAfterMs: 1_000 };

export class Purchases {
  readonly #options: PurchasesOptions;
  readonly #unixTime: () => number;
  /** By sale, buyer and request id: the same request asked again meanwhile gets the same answer. */
  readonly #underWay = new Map<string, UnderWay>();

  constructor(options: PurchasesOptions) {
    this.#options = options;
    this.#unixTime = options.unixTime ?? Date.now;
  }

  /** What was promised and is not answered yet. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Never rejects. */
  ask(wish: Wish): Purchased | Promise<Purchased> {
    const now = this.#options.clock();
    const open = this.#options.sales.known(wish.sku, now);
    return open === undefined ? this.#askUnknown(wish) : this.#askOpen(open, wish, now);
  }

  async #askUnknown(wish: Wish): Promise<Purchased> {
    const found = await this.#options.sales.find(wish.sku);
    if (found.kind === "found") return this.#askOpen(found.open, wish, this.#options.clock());
    return found.kind === "no-sale" ? noSale : overloaded;
  }

  #askOpen(open: OpenSale, wish: Wish, now: number): Purchased | Promise<Purchased> {
    const { sale, accepted } = open;
    // Nothing that is checked at the door has a line break in it.
    const key = this.#underWay.size === 0 ? undefined : keyOf(wish);
    const same = key === undefined ? undefined : this.#underWay.get(key);
    if (same !== undefined) return same.quantity === wish.quantity ? same.answer : conflict;
    if (accepted.knows(wish.buyer)) {
      const orderId = orderIdOf(wish.sku, wish.buyer, wish.requestId);
      const quantity = accepted.quantityOf(orderId);
      if (quantity !== undefined) return quantity === wish.quantity ? { kind: "accepted", orderId } : conflict;
    }
    const retryAfterMs = this.#options.buyers.take(wish.buyer, now);
    if (retryAfterMs > 0) return { kind: "too-often", retryAfterMs };
    const unixTime = this.#unixTime();
    if (unixTime < sale.opensAt || unixTime >= sale.closesAt) return closed;
    if (accepted.isLimited(wish.buyer, wish.quantity, sale.limitPerBuyer, now)) return limited;
    if (this.#isFull()) return overloaded;
    const admitted = this.#options.gate.admit(wish.sku, wish.quantity);
    if (!(admitted instanceof Promise) && admitted.kind !== "admitted") return admitted.kind === "sold-out" ? soldOut : admitted;
    return this.#begin(open, wish, admitted);
  }

  #isFull(): boolean {
    const { placing, settler } = this.#options;
    return placing.isFull || this.#underWay.size >= UNDER_WAY_MAX || settler.isFull(placing.inFlight);
  }

  #begin(open: OpenSale, wish: Wish, admitted: Admitted | Promise<Admitted>): Promise<Purchased> {
    const key = keyOf(wish);
    const answer = this.#place(open, wish, admitted).then((purchased) => {
      // One whose outcome is unknown stays until it is settled: it must not be placed again while it may be given up.
      if (purchased.kind !== "unknown") this.#underWay.delete(key);
      return purchased;
    });
    this.#underWay.set(key, { quantity: wish.quantity, answer });
    return answer;
  }

  async #place(open: OpenSale, wish: Wish, admitting: Admitted | Promise<Admitted>): Promise<Purchased> {
    const admitted = await admitting;
    if (admitted.kind !== "admitted") return admitted.kind === "sold-out" ? soldOut : admitted;
    const { gate, placing, settler, clock } = this.#options;
    const { admission } = admitted;
    const { buyer, quantity } = wish;
    const orderId = orderIdOf(wish.sku, buyer, wish.requestId);
    const placed = await placing.place({ ...wish, orderId, chunk: admission.chunk });
    switch (placed.kind) {
      case "placed":
        // It has been placed before, from another promise.
        if (placed.again) gate.giveBack(admission);
        open.accepted.remember({ orderId, buyer, quantity }, clock());
        return { kind: "accepted", orderId };
      case "unknown":
        settler.add(orderId, (settled) => this.#settle(open, wish, { settled, orderId, admission }));
        return { kind: "unknown", orderId };
      case "limited":
        open.accepted.wasLimited(buyer, clock());
        gate.giveBack(admission);
        return limited;
      case "closed":
        gate.giveBack(admission);
        return closed;
      case "conflict":
        gate.giveBack(admission);
        return conflict;
      case "never-placed":
        gate.giveBack(admission);
        return burnt;
      case "overloaded":
        gate.giveBack(admission);
        return overloaded;
    }
  }

  #settle(open: OpenSale, wish: Wish, { settled, orderId, admission }: { readonly settled: Settled; readonly orderId: string; readonly admission: Admission }): void {
    this.#underWay.delete(keyOf(wish));
    if (settled === "placed") open.accepted.remember({ orderId, buyer: wish.buyer, quantity: wish.quantity }, this.#options.clock());
    else this.#options.gate.giveBack(admission);
  }
}

function keyOf({ sku, buyer, requestId }: Wish): string {
  return `${sku}\n${buyer}\n${requestId}`;
}
