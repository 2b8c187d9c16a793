import type { Fault } from "./goodput.ts";
import type { Interval } from "./recovery.ts";
import { percentile } from "./statistics.ts";
import { lastingFrom, overWindows, windowStarts, type Lasting } from "./windows.ts";

/** Anything that was offered. */
export interface Offered {
  /** When it should have been sent. Latency counts from here: a client that waits with the next request hides a stall from every later time. */
  readonly intentMs: number;
  readonly doneMs: number;
  /** A business no is an answer too. A failure and an unknown outcome are none, however fast they came. */
  readonly answered: boolean;
}

/** Infinite for what was never answered, so that fast failures do not look like a fast service. */
export function latencyOf({ intentMs, doneMs, answered }: Offered): number {
  return answered ? doneMs - intentMs : Infinity;
}

/** Ascending. */
export function latenciesOf(offered: readonly Offered[]): Float64Array {
  // A typed array sorts numbers as numbers, infinite ones too, and several times faster: there are a thousand windows of thousands.
  const latencies = new Float64Array(offered.length);
  for (const [index, each] of offered.entries()) latencies[index] = latencyOf(each);
  return latencies.sort();
}

export interface LatencyRecovery extends Lasting {
  /** Undefined where it is not known, or infinite. */
  readonly baselineP99Ms?: number;
}

/**
 * From when on, by intended start, the p99 of every window was at most `factor` times the baseline's. A window in which nothing was
 * offered shows nothing, and counts as bad.
 * @param untilMs the end of the offered load, not of its answers
 */
export function latencyRecovery(offered: readonly Offered[], baseline: Interval, fault: Fault, untilMs: number, factor = 2): LatencyRecovery {
  const before = offered.filter(({ intentMs }) => intentMs >= baseline.fromMs && intentMs < baseline.toMs);
  const baselineP99Ms = percentile(latenciesOf(before), 0.99);
  if (baselineP99Ms === undefined || baselineP99Ms === Infinity) {
    const because = baselineP99Ms === undefined ? "nothing was offered before the fault" : "too little was answered before the fault";
    return { recovery: { kind: "unmeasured", because }, heldMs: 0, relapses: 0 };
  }
  const observed = { fromMs: fault.fromMs, toMs: untilMs };
  const good = overWindows(offered, ({ intentMs }) => intentMs, windowStarts(observed), (within) => {
    const p99Ms = percentile(latenciesOf(within), 0.99);
    return p99Ms !== undefined && p99Ms <= factor * baselineP99Ms;
  });
  return { ...lastingFrom(good, observed), baselineP99Ms };
}
