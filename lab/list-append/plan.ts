/** Which transactions are asked, in an order that the seed decides: a few keys at a time, each for so many appends, then others. */
import { seeded } from "../load/arrivals.ts";
import type { MicroOp } from "./history.ts";

/** Few keys make conflicts, and short lists make a history that is quick to judge. */
const KEYS_AT_A_TIME = 5;
/** More than a list takes (`ELEMENTS_MAX` of a keeper): the last ones are refused, and what their transactions had done is undone. */
const APPENDS_A_KEY = 32;
export const ELEMENTS_MAX = 24;
const MICRO_OPS_MAX = 4;

export class Transactions {
  readonly #random: () => number;
  readonly #active: { readonly key: number; appends: number }[] = [];
  #keys = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
    for (let count = 0; count < KEYS_AT_A_TIME; count += 1) this.#active.push(this.#fresh());
  }

  /** How many there have been: they are numbered from 0. */
  get keys(): number {
    return this.#keys;
  }

  /** Each key once in a transaction. An element is a key's next number, so it is appended once in a whole history. */
  next(): readonly MicroOp[] {
    const left = [...this.#active];
    const ops: MicroOp[] = [];
    for (let count = 1 + this.#below(MICRO_OPS_MAX); count > 0; count -= 1) {
      const [list] = left.splice(this.#below(left.length), 1);
      if (list === undefined) break;
      if (this.#random() < 0.5) ops.push(["r", list.key, null]);
      else ops.push(["append", list.key, (list.appends += 1)]);
    }
    for (const [place, { appends }] of this.#active.entries()) if (appends >= APPENDS_A_KEY) this.#active[place] = this.#fresh();
    return ops;
  }

  #fresh(): { readonly key: number; appends: number } {
    this.#keys += 1;
    return { key: this.#keys - 1, appends: 0 };
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}
