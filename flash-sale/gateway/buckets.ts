/**
 * Token buckets by key, in bounded memory. A bucket is one number: when it will be full again (the generic cell rate algorithm).
 * Keys live in two generations; whoever was not seen for a whole one is forgotten, and had a full bucket by then. Only when a generation
 * fills up before its time are buckets forgotten that were not full: memory is bounded first, strangers second.
 */
export interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
  /** Of both generations. Default: 200,000. */
  readonly keysMax?: number;
}

const KEYS_MAX = 200_000;

export class Buckets {
  readonly #tokenMs: number;
  readonly #depthMs: number;
  readonly #generationMs: number;
  readonly #keysMax: number;
  #young = new Map<string, number>();
  #old = new Map<string, number>();
  #bornAt = -Infinity;

  constructor({ perSecond, burst, keysMax = KEYS_MAX }: BucketOptions) {
    this.#tokenMs = 1_000 / perSecond;
    this.#depthMs = this.#tokenMs * burst;
    this.#generationMs = Math.max(this.#depthMs, 1_000);
    this.#keysMax = Math.max(1, Math.floor(keysMax / 2));
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Takes a token: 0, or the milliseconds until there is one. `now`: of a clock that never goes back. */
  take(key: string, now: number): number {
    if (now - this.#bornAt >= this.#generationMs || this.#young.size >= this.#keysMax) this.#turn(now);
    const fullAt = Math.max(this.#young.get(key) ?? this.#old.get(key) ?? now, now);
    const waitMs = fullAt + this.#tokenMs - now - this.#depthMs;
    // What is left of a millisecond is rounding, not a token.
    if (waitMs > 0.001) return waitMs;
    this.#young.set(key, fullAt + this.#tokenMs);
    return 0;
  }

  #turn(now: number): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#bornAt = now;
  }
}
