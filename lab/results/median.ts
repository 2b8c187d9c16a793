import { percentile } from "../measures/statistics.ts";

/** Of those that are known; of an even number the mean of the middle two. */
export function medianOf(figures: readonly (number | null)[]): number | null {
  const sorted = figures.filter((figure) => figure !== null).toSorted((one, other) => one - other);
  const [lower, upper] = [percentile(sorted, 0.5), sorted[sorted.length >> 1]];
  return lower === undefined || upper === undefined ? null : (lower + upper) / 2;
}
