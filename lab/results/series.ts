/** Curves for a record: few enough numbers to keep, of every run. */
import type { Served } from "../measures/goodput.ts";
import { latenciesOf, type Offered } from "../measures/latency.ts";
import { percentile } from "../measures/statistics.ts";
import type { GoodputSeries, Interval, LatencySeries } from "./results.ts";

export const STEP_MS = 250;
/** More than an hour; a longer run is a mistake in a unit. */
const STEPS_MAX = 20_000;

export function goodputSteps(served: readonly Served[], during: Interval, stepMs = STEP_MS): GoodputSeries {
  const groups = grouped(served, ({ okMs }) => okMs, during, stepMs);
  return { fromMs: during.fromMs, stepMs, ok: groups.map(({ length }) => length) };
}

/** By intended start. */
export function latencySteps(offered: readonly Offered[], during: Interval, stepMs = STEP_MS): LatencySeries {
  const sorted = grouped(offered, ({ intentMs }) => intentMs, during, stepMs).map(latenciesOf);
  const at = (fraction: number): (number | null)[] => sorted.map((latencies) => finite(percentile(latencies, fraction)));
  return { fromMs: during.fromMs, stepMs, p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99) };
}

/** Whole steps only: a half one looks like half the goodput. */
function grouped<Thing>(things: readonly Thing[], timeOf: (thing: Thing) => number, { fromMs, toMs }: Interval, stepMs: number): Thing[][] {
  if (!(stepMs > 0)) throw new RangeError(`a step of ${stepMs} ms is none`);
  const steps = Math.max(0, Math.floor((toMs - fromMs) / stepMs + 1e-9));
  if (!(steps <= STEPS_MAX)) throw new RangeError(`from ${fromMs} to ${toMs} ms are more than ${STEPS_MAX} steps of ${stepMs} ms`);
  const groups: Thing[][] = Array.from({ length: steps }, () => []);
  for (const thing of things) groups[Math.floor((timeOf(thing) - fromMs) / stepMs)]?.push(thing);
  return groups;
}

/** Whole tenths: nobody sees more in a picture, and the file is a third as long. */
function finite(ms: number | undefined): number | null {
  return ms === undefined || ms === Infinity ? null : Math.round(ms * 10) / 10;
}
