/** Keeps the memory of one sale's orders up to date from the orders' own rows. */
import type { OrdersDoor } from "../../contracts.ts";
import type { Asking } from "../../service/ask.ts";
import type { Accepted } from "./accepted.ts";

/** A page that is not full is the last one, for now: its last rows come again with the next look, so there is never an empty one. */
const PAGE_ROWS = 5_000;
const PAGES_AT_ONCE = 20;
const PAGES_MAX = 400;
/**
 * Rows become visible in the order of their commits, not of their numbers. So what was read is read a second time when every transaction
 * that was open then has ended: no statement of a worker takes longer than 3 s, and none idles for longer than 5 s.
 */
const SECOND_LOOK_EVERY_MS = 5_000;
const SECOND_LOOK_BACK_MS = 10_000;

export class AcceptedReader {
  readonly #orders: Asking<OrdersDoor>;
  readonly #sku: string;
  readonly #accepted: Accepted;
  #after = 0;
  /** Where reading stood, and when. */
  #marks: { readonly at: number; readonly after: number }[] = [];
  #lookedTwiceAt: number | undefined;

  constructor(orders: Asking<OrdersDoor>, sku: string, accepted: Accepted) {
    this.#orders = orders;
    this.#sku = sku;
    this.#accepted = accepted;
  }

  /** Reads all there is. */
  async load(now: number): Promise<void> {
    this.#lookedTwiceAt = now;
    this.#after = await this.#read(0, now, PAGES_MAX);
    // Whatever was open in this moment got its number not long ago; as far back as one look can read is far enough.
    this.#marks = [{ at: now, after: Math.max(0, this.#after - PAGE_ROWS * PAGES_AT_ONCE) }];
  }

  /** Reads what is new. */
  async refresh(now: number): Promise<void> {
    if (now - (this.#lookedTwiceAt ?? now) >= SECOND_LOOK_EVERY_MS) {
      const from = this.#marks.findLast(({ at }) => now - at >= SECOND_LOOK_BACK_MS) ?? this.#marks[0];
      const after = await this.#read(from?.after ?? 0, now, PAGES_AT_ONCE);
      this.#marks = [...this.#marks.filter(({ at }) => from === undefined || at >= from.at), { at: now, after: this.#after }];
      this.#after = Math.max(this.#after, after);
      this.#lookedTwiceAt = now;
      return;
    }
    this.#after = await this.#read(this.#after, now, PAGES_AT_ONCE);
  }

  async #read(start: number, now: number, pagesMax: number): Promise<number> {
    let after = start;
    for (let page = 0; page < pagesMax; page += 1) {
      const answer = await this.#orders.ask("/orders/accepted", { sku: this.#sku, after });
      for (const order of answer.orders) this.#accepted.remember(order, now);
      after = Math.max(after, answer.after);
      if (answer.orders.length < PAGE_ROWS) break;
    }
    return after;
  }
}
