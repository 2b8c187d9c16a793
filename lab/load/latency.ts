/** Latencies of a run, exact: 200,000 of them are 1.6 MB, so nothing has to be rounded into buckets. */

export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

const COUNT_MAX = 5_000_000;

export class Latencies {
  #values = new Float64Array(1024);
  #count = 0;
  /** Beyond the bound: not in the summary. */
  left = 0;

  record(ms: number): void {
    if (this.#count === COUNT_MAX) {
      this.left += 1;
      return;
    }
    if (this.#count === this.#values.length) {
      const grown = new Float64Array(Math.min(2 * this.#count, COUNT_MAX));
      grown.set(this.#values);
      this.#values = grown;
    }
    this.#values[this.#count] = ms;
    this.#count += 1;
  }

  /** null where nothing was recorded: there is no latency of nothing. */
  summary(): LatencySummary | null {
    const sorted = this.#values.slice(0, this.#count).sort();
    if (sorted.length === 0) return null;
    const at = (fraction: number): number => round(percentile(sorted, fraction));
    return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
  }
}

/**
 * Nearest rank: always a value that was really measured.
 * @param sorted ascending, not empty
 * @param fraction above 0, at most 1
 */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  if (!(fraction > 0 && fraction <= 1)) throw new RangeError(`fraction must be in (0, 1], got ${fraction}`);
  const value = sorted[Math.ceil(fraction * sorted.length) - 1];
  if (value === undefined) throw new RangeError("a percentile of no values");
  return value;
}

/** To 10 µs: the rest is noise, and costs bytes in every line. */
export function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
