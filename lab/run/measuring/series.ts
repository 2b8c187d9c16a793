/** What a report draws of a run. */
import type { Served } from "../../measures/goodput.ts";
import type { Offered } from "../../measures/latency.ts";
import type { Interval } from "../../measures/recovery.ts";
import { SLIDE_MS } from "../../measures/windows.ts";
import type { GoodputSeries, LatencySeries, Timeline } from "../../results/results.ts";
import { goodputSteps, latencySteps } from "../../results/series.ts";
import type { Business } from "./business.ts";

/** Half a second: of less there are no percentiles. */
const CURVE_STEP_MS = 500;
const TIMELINES_MAX = 5;
const STEPS_MAX = 30;

type Clock = (ms: number) => number;

/** Its steps begin at the moment, and go from there in both directions. */
export function goodputIn(served: readonly Served[], during: Interval, momentMs: number, at: Clock): GoodputSeries {
  const fromMs = momentMs - SLIDE_MS * Math.floor((momentMs - during.fromMs) / SLIDE_MS);
  return { ...goodputSteps(served, { ...during, fromMs }, SLIDE_MS), fromMs: at(fromMs) };
}

export function latencyIn(offered: readonly Offered[], during: Interval, at: Clock): LatencySeries {
  return { ...latencySteps(offered, during, CURVE_STEP_MS), fromMs: at(during.fromMs) };
}

/** Those that the fault found open, and of them the ones that took longest; one that has not ended took longest of all. */
export function worstTimelines({ transactions, steps }: Business, fault: Interval, at: Clock): readonly Timeline[] {
  const length = ({ openedMs, endedMs }: Business["transactions"][number]): number => (endedMs ?? Infinity) - openedMs;
  return transactions
    .filter(({ endedMs }) => endedMs === null || endedMs > fault.fromMs)
    .toSorted((one, other) => (length(one) === length(other) ? 0 : length(other) - length(one)))
    .slice(0, TIMELINES_MAX)
    .map(({ key, openedMs, endedMs }) => ({
      key,
      openedMs: at(openedMs),
      endedMs: endedMs === null ? null : at(endedMs),
      steps: (steps.get(key) ?? []).slice(0, STEPS_MAX).map(({ atMs, where, what }) => ({ atMs: at(atMs), where, what })),
    }));
}
