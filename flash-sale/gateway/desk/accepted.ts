/** Who has which order of one sale, as far as this gateway has heard. The ledger decides; this answers repeats when nothing is left to sell. */

interface Buyer {
  readonly orders: Set<string>;
  units: number;
  /** Until then `units` counts: orders that ended without a sale give their units back, which is not heard of here. */
  countsUntil: number;
}

interface Known {
  readonly buyer: string;
  readonly quantity: number;
}

/** The ledger is asked again after this time. */
const COUNTS_MS = 2_000;

export class Accepted {
  readonly #max: number;
  readonly #orders = new Map<string, Known>();
  readonly #buyers = new Map<string, Buyer>();

  /** Beyond `max` orders the first ones are forgotten. */
  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#orders.size;
  }

  /** True when it is worth knowing an order id of this buyer. */
  knows(buyer: string): boolean {
    return this.#buyers.has(buyer);
  }

  quantityOf(orderId: string): number | undefined {
    return this.#orders.get(orderId)?.quantity;
  }

  /** `now`: of a clock that never goes back. */
  remember({ orderId, buyer, quantity }: { readonly orderId: string; readonly buyer: string; readonly quantity: number }, now: number): void {
    if (this.#orders.has(orderId)) return;
    if (this.#orders.size >= this.#max) this.#forgetFirst();
    this.#orders.set(orderId, { buyer, quantity });
    const known = this.#buyers.get(buyer) ?? { orders: new Set<string>(), units: 0, countsUntil: 0 };
    this.#buyers.set(buyer, known);
    known.orders.add(orderId);
    known.units += quantity;
    known.countsUntil = now + COUNTS_MS;
  }

  /** True when the ledger would say so, as far as can be told from what happened in the last two seconds. */
  isLimited(buyer: string, quantity: number, limit: number, now: number): boolean {
    const known = this.#buyers.get(buyer);
    return quantity > limit || (known !== undefined && now < known.countsUntil && known.units + quantity > limit);
  }

  /** The ledger has said that this buyer has had his units. */
  wasLimited(buyer: string, now: number): void {
    const known = this.#buyers.get(buyer);
    if (known !== undefined) known.countsUntil = now + COUNTS_MS;
  }

  /** This order may have given its units back. */
  doubt(orderId: string): void {
    const buyer = this.#orders.get(orderId)?.buyer;
    const known = buyer === undefined ? undefined : this.#buyers.get(buyer);
    if (known !== undefined) known.countsUntil = 0;
  }

  #forgetFirst(): void {
    for (const [orderId, { buyer, quantity }] of this.#orders) {
      this.#orders.delete(orderId);
      const known = this.#buyers.get(buyer);
      known?.orders.delete(orderId);
      if (known !== undefined) known.units -= quantity;
      if (known?.orders.size === 0) this.#buyers.delete(buyer);
      return;
    }
  }
}
