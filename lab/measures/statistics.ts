import { atLeastMs, byLength, isMeasured, type Measured, type Recovery } from "./recovery.ts";

/** Fewer runs than this say nothing about the slowest twentieth of them. */
export const P95_RUNS_MIN = 60;
const CONFIDENCE = 0.95;

/** All of a population, say every transaction of one run: its percentiles are facts and need no minimum. */
export interface Spread {
  readonly n: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** A sample, say some of the runs that could be made: what it says about the others needs enough of them. */
export interface Summary {
  readonly n: number;
  /** Not in `n`: nothing was measured there. */
  readonly unmeasured: number;
  readonly median?: Measured;
  /** Contains the true median with this probability, whatever the distribution. None below 6 runs. */
  readonly medianBetween?: { readonly low: Measured; readonly high: Measured; readonly confidence: number };
  /** From 60 runs on. */
  readonly p95?: Measured;
  readonly max?: Measured;
  /** Each value, in the order of the runs, the unmeasured included. */
  readonly all: readonly Recovery[];
}

/** Nearest rank: a value that was really measured. `sorted` ascending; undefined of nothing. */
export function percentile<Value>(sorted: ArrayLike<Value>, fraction: number): Value | undefined {
  if (!(fraction > 0 && fraction <= 1)) throw new RangeError(`fraction must be above 0 and at most 1, got ${fraction}`);
  // 0.07 × 100 is 7.000000000000001, and no eighth value is meant.
  return sorted[Math.ceil(fraction * sorted.length - 1e-9) - 1];
}

export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [p50, p95, max] = [percentile(sorted, 0.5), percentile(sorted, 0.95), sorted.at(-1)];
  if (p50 === undefined || p95 === undefined || max === undefined) return undefined;
  return { n: sorted.length, p50, p95, max };
}

export function summaryOf(all: readonly Recovery[]): Summary {
  const sorted = all.filter(isMeasured).toSorted(byLength);
  const n = sorted.length;
  const [median, max] = [medianOf(sorted), sorted.at(-1)];
  const p95 = n >= P95_RUNS_MIN ? percentile(sorted, 0.95) : undefined;
  const ranks = medianRanks(n, CONFIDENCE);
  const [low, high] = ranks === undefined ? [] : [sorted[ranks.low - 1], sorted[ranks.high - 1]];
  return {
    n,
    unmeasured: all.length - n,
    ...(median === undefined ? {} : { median }),
    ...(ranks === undefined || low === undefined || high === undefined ? {} : { medianBetween: { low, high, confidence: ranks.coverage } }),
    ...(p95 === undefined ? {} : { p95 }),
    ...(max === undefined ? {} : { max }),
    all,
  };
}

/** Of an even number the mean of the middle two; if the upper one went beyond its cap, so does the median, at least by the lower one. */
function medianOf(sorted: readonly Measured[]): Measured | undefined {
  const lower = sorted[(sorted.length - 1) >> 1];
  const upper = sorted[sorted.length >> 1];
  if (lower === undefined || upper === undefined || lower === upper) return upper;
  const ms = (atLeastMs(lower) + atLeastMs(upper)) / 2;
  return upper.kind === "recovered" ? { kind: "recovered", ms } : { kind: "beyond", capMs: Math.min(atLeastMs(upper), ms) };
}

/**
 * The ranks, from 1, of the two values that enclose the true median with at least this probability: each value lies below it with
 * probability one half, so how many do is binomial (David and Nagaraja, Order Statistics, 7.1). Undefined where even the smallest and
 * the largest enclose it less surely: at 95 %, for fewer than 6 values.
 */
export function medianRanks(n: number, confidence: number): { readonly low: number; readonly high: number; readonly coverage: number } | undefined {
  let [low, coverage] = [0, 0];
  for (let rank = 1; rank <= n / 2; rank += 1) {
    const covered = 1 - 2 * binomialAtMost(rank - 1, n, 0.5);
    if (covered < confidence) break;
    [low, coverage] = [rank, covered];
  }
  return low === 0 ? undefined : { low, high: n + 1 - low, coverage };
}

/**
 * The largest rate that `hits` of `n` do not yet speak against: the exact upper bound of Clopper and Pearson. None of 300 says
 * "below 1 %". Undefined without a run.
 */
export function rateAtMost(hits: number, n: number, confidence = CONFIDENCE): number | undefined {
  if (n === 0) return undefined;
  if (hits >= n) return 1;
  let [low, high] = [hits / n, 1];
  for (let halving = 0; halving < 50; halving += 1) {
    const rate = (low + high) / 2;
    if (binomialAtMost(hits, n, rate) > 1 - confidence) low = rate;
    else high = rate;
  }
  return high;
}

/** The probability of at most `hits` in `n` tries. In logarithms, since 0.5 to the 2,000th is no number. */
function binomialAtMost(hits: number, n: number, rate: number): number {
  let logWays = 0;
  let sum = 0;
  for (let k = 0; k <= hits; k += 1) {
    if (k > 0) logWays += Math.log(n - k + 1) - Math.log(k);
    sum += Math.exp(logWays + k * Math.log(rate) + (n - k) * Math.log1p(-rate));
  }
  return Math.min(1, sum);
}
