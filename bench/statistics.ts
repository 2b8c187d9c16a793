/** The middle of several rounds and how far they lay apart. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/**
 * Nearest-rank percentile: always a value that was really measured, never one between two.
 * @param sorted ascending, not empty
 * @param fraction above 0, at most 1 (0.99 for p99)
 */
export function percentile(sorted: ArrayLike<number>, fraction: number): number {
  if (!(fraction > 0 && fraction <= 1)) throw new RangeError(`fraction must be in (0, 1], got ${fraction}`);
  const value = sorted[Math.ceil(fraction * sorted.length) - 1];
  if (value === undefined) throw new RangeError("a percentile of no values");
  return value;
}

/** Median, smallest and largest of `values` (not empty). An even count takes the mean of the middle two. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const min = sorted[0];
  const max = sorted.at(-1);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  if (min === undefined || max === undefined || upper === undefined || lower === undefined) {
    throw new RangeError("a spread of no values");
  }
  return { median: (lower + upper) / 2, min, max };
}
