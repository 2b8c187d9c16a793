/** Units of one item in this process's hands, in chunks. Time is an argument: milliseconds of a clock that never goes back. */

export interface Chunk {
  readonly id: string;
  readonly leased: number;
  /** Promised to nobody. */
  units: number;
  readonly leaseMs: number;
  /** Not sold from beyond this time, unless it is renewed. */
  sellsUntil: number;
  touchedAt: number;
}

/** The share of a lease for which a chunk is sold from: whoever leases it out counts from a later moment, and waits for all of it. */
const SOLD_SHARE = 0.75;

export class Shelf {
  readonly #chunks = new Map<string, Chunk>();
  /** Those with units left. Sold from in turn, so that their rows at the stock share the load. */
  readonly #stripes: Chunk[] = [];
  #turn = 0;

  get size(): number {
    return this.#chunks.size;
  }

  get stripes(): number {
    return this.#stripes.length;
  }

  /** `askedAt`: taken before the question for it was sent. */
  put(chunk: { readonly id: string; readonly units: number; readonly leaseMs: number }, askedAt: number): void {
    const { id, units, leaseMs } = chunk;
    if (this.#chunks.has(id)) return;
    const kept: Chunk = { id, leased: units, units, leaseMs, sellsUntil: askedAt + leaseMs * SOLD_SHARE, touchedAt: askedAt };
    this.#chunks.set(id, kept);
    this.#stripes.push(kept);
  }

  /** Takes units, all from one chunk, and names it; undefined when no chunk has so many. */
  take(units: number, now: number): string | undefined {
    const stripes = this.#stripes;
    for (let step = 0; step < stripes.length; step += 1) {
      const at = (this.#turn + step) % stripes.length;
      const chunk = stripes[at];
      if (chunk === undefined || chunk.units < units || now >= chunk.sellsUntil) continue;
      chunk.units -= units;
      chunk.touchedAt = now;
      if (chunk.units === 0) stripes.splice(at, 1);
      this.#turn = chunk.units === 0 ? at : at + 1;
      return chunk.id;
    }
    return undefined;
  }

  /** True when at most half of what is open for sale is left. */
  isHalfSold(now: number): boolean {
    let left = 0;
    let leased = 0;
    for (const chunk of this.#stripes) {
      if (now >= chunk.sellsUntil) continue;
      left += chunk.units;
      leased += chunk.leased;
    }
    return left * 2 <= leased;
  }

  /** Of a chunk that is gone by now, units are the stock's again already. */
  giveBack(id: string, units: number, now: number): void {
    const chunk = this.#chunks.get(id);
    if (chunk === undefined) return;
    if (chunk.units === 0) this.#stripes.push(chunk);
    chunk.units = Math.min(chunk.leased, chunk.units + units);
    chunk.touchedAt = now;
  }

  /** `askedAt`: taken before the heartbeat was sent; an older one that arrives late changes nothing. */
  renew(id: string, askedAt: number): void {
    const chunk = this.#chunks.get(id);
    if (chunk !== undefined) chunk.sellsUntil = Math.max(chunk.sellsUntil, askedAt + chunk.leaseMs * SOLD_SHARE);
  }

  drop(id: string): void {
    const chunk = this.#chunks.get(id);
    if (chunk === undefined) return;
    this.#chunks.delete(id);
    if (chunk.units > 0) this.#stripes.splice(this.#stripes.indexOf(chunk), 1);
  }

  ids(): string[] {
    return [...this.#chunks.keys()];
  }

  /** Those that nobody took from, or gave back to, since `since`. */
  untouchedSince(since: number): string[] {
    return [...this.#chunks.values()].filter(({ touchedAt }) => touchedAt < since).map(({ id }) => id);
  }
}
