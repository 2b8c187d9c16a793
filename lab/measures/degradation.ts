import type { Served } from "./goodput.ts";
import { latenciesOf, type Offered } from "./latency.ts";
import type { Interval } from "./recovery.ts";
import { percentile } from "./statistics.ts";

/** What a mode did in one stretch of time. */
export interface Performance {
  readonly goodputPerSecond: number;
  /** From intended start; null: so much was never answered that this percentile has no number, or nothing was offered. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** Offered and never answered. */
  readonly unanswered: number;
  /** Null: not measured, or nothing was served. */
  readonly cpuMsPerPurchase: number | null;
}

/** What is set against each other; of several runs a figure may be missing. */
export type Compared = { readonly [Figure in Exclude<keyof Performance, "unanswered">]: number | null };

/** Against another one: 1 is equal. Null where the other one has nothing to divide by, or one of them no number. */
export interface Ratios {
  readonly goodput: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly cpu: number | null;
}

/** @param cpuMs used within the interval by everything that serves; undefined where nobody knows */
export function performanceOf(served: readonly Served[], offered: readonly Offered[], during: Interval, cpuMs?: number): Performance {
  const seconds = (during.toMs - during.fromMs) / 1_000;
  if (!(seconds > 0)) throw new RangeError(`an interval from ${during.fromMs} to ${during.toMs} ms has no length`);
  const within = (ms: number): boolean => ms >= during.fromMs && ms < during.toMs;
  const asked = offered.filter(({ intentMs }) => within(intentMs));
  const latencies = latenciesOf(asked);
  const purchases = served.filter(({ okMs }) => within(okMs)).length;
  return {
    goodputPerSecond: purchases / seconds,
    p50Ms: finite(percentile(latencies, 0.5)),
    p95Ms: finite(percentile(latencies, 0.95)),
    p99Ms: finite(percentile(latencies, 0.99)),
    unanswered: asked.filter(({ answered }) => !answered).length,
    cpuMsPerPurchase: ratio(cpuMs ?? null, purchases),
  };
}

export function against(mode: Compared, other: Compared): Ratios {
  return {
    goodput: ratio(mode.goodputPerSecond, other.goodputPerSecond),
    p50: ratio(mode.p50Ms, other.p50Ms),
    p95: ratio(mode.p95Ms, other.p95Ms),
    p99: ratio(mode.p99Ms, other.p99Ms),
    cpu: ratio(mode.cpuMsPerPurchase, other.cpuMsPerPurchase),
  };
}

/** The share of its own healthy goodput that a mode lost under the fault; below 0 where it had more. Null without a healthy goodput. */
export function lossRatio(healthy: Pick<Performance, "goodputPerSecond">, underFault: Pick<Performance, "goodputPerSecond">): number | null {
  const kept = ratio(underFault.goodputPerSecond, healthy.goodputPerSecond);
  return kept === null ? null : 1 - kept;
}

function ratio(upper: number | null, lower: number | null): number | null {
  return upper === null || lower === null || lower === 0 ? null : upper / lower;
}

function finite(ms: number | undefined): number | null {
  return ms === undefined || ms === Infinity ? null : ms;
}
