/** From messages to percentiles and a histogram. */
import { percentile } from "../measures/statistics.ts";
import type { Interval } from "../measures/recovery.ts";
import type { Delivered, Joined } from "./applied.ts";

export interface Delays {
  readonly n: number;
  /** Null of nothing. */
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
  /** How many took at most that long; the last is without a limit (null). */
  readonly histogram: readonly { readonly upToMs: number | null; readonly n: number }[];
}

export interface PhaseFigures {
  readonly phase: string;
  /** From the commit with which a message was sent to the commit in which it had its effect. */
  readonly applied: Delays;
  /** The source's own measure: from the row's time to its commit. */
  readonly committed: Delays;
}

export interface WalFigures {
  readonly schema: 1;
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
  /** Messages that the log told, of all phases. */
  readonly sent: number;
  readonly missing: number;
  readonly unseen: number;
  /** Rows in the outbox tables that the stream did not show. */
  readonly notStreamed: number;
  readonly phases: readonly PhaseFigures[];
}

export const SOURCE_MS = { p50: 12, p99: 87, max: 312 } as const;
const LIMITS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000] as const;
const BAR = 40;

/** A message belongs to the phase in which it was committed. */
export function phaseFigures(phase: string, { delivered }: Pick<Joined, "delivered">, { fromMs, toMs }: Interval): PhaseFigures {
  const within = delivered.filter(({ committedMs }) => committedMs >= fromMs && committedMs < toMs);
  const of = (delay: (one: Delivered) => number): Delays => delaysOf(within.map(delay));
  return { phase, applied: of((one) => one.appliedMs - one.committedMs), committed: of((one) => one.committedMs - one.writtenMs) };
}

export function delaysOf(delays: readonly number[]): Delays {
  const sorted = delays.toSorted((one, other) => one - other);
  const at = (fraction: number): number | null => percentile(sorted, fraction) ?? null;
  const lows = [-Infinity, ...LIMITS_MS];
  const histogram = [...LIMITS_MS, Infinity].map((limit, index) => ({
    upToMs: limit === Infinity ? null : limit,
    n: sorted.filter((delay) => delay > (lows[index] ?? 0) && delay <= limit).length,
  }));
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) ?? null, histogram };
}

export function walText({ phases, sent, missing, unseen, notStreamed, seed }: WalFigures): string {
  const blocks = phases.map(({ phase, applied, committed }) => [
    `${phase}: ${applied.n} messages`,
    `  commit -> applied  ${percentiles(applied)}`,
    `  row -> commit      ${percentiles(committed)}   (source: p50 ${SOURCE_MS.p50}, p99 ${SOURCE_MS.p99}, max ${SOURCE_MS.max})`,
    ...histogramLines(applied),
  ].join("\n"));
  const whole = `${sent} messages in the log; ${missing} not applied, ${unseen} applied but not in the log, ${notStreamed} in the tables but not in the log; seed ${seed}`;
  return [...blocks, whole].join("\n\n");
}

function percentiles({ p50, p95, p99, max }: Delays): string {
  return Object.entries({ p50, p95, p99, max }).map(([name, ms]) => `${name} ${ms === null ? "?" : ms.toFixed(1)}`).join("  ") + " ms";
}

/** From the first filled line to the last. */
export function histogramLines({ histogram }: Pick<Delays, "histogram">): readonly string[] {
  const most = Math.max(1, ...histogram.map(({ n }) => n));
  const first = histogram.findIndex(({ n }) => n > 0);
  if (first === -1) return [];
  const last = histogram.findLastIndex(({ n }) => n > 0);
  return histogram.slice(first, last + 1).map(({ upToMs, n }) => {
    const limit = upToMs === null ? `> ${LIMITS_MS.at(-1)} ms` : `<= ${upToMs} ms`;
    // What is not empty has a mark, however short.
    return `  ${limit.padStart(11)} ${String(n).padStart(6)} ${"#".repeat(Math.ceil((BAR * n) / most))}`.trimEnd();
  });
}
