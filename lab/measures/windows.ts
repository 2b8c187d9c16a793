import type { Interval, Recovery } from "./recovery.ts";

export const WINDOW_MS = 1_000;
export const SLIDE_MS = 50;
/** An hour and more; a longer "observation" is a mistake in a unit. */
const WINDOWS_MAX = 100_000;

/** What was good again for a shorter time than this, when the observation ended, may have been a moment's luck. */
const HELD_MIN_MS = 2_000;

/** From when on every window was good, for the rest of the observation. */
export interface Lasting {
  readonly recovery: Recovery;
  /** How long it was then seen to last; less than two seconds is no recovery. */
  readonly heldMs: number;
  /** How often it was good again and then bad once more. */
  readonly relapses: number;
}

/** The starts of all windows that lie whole in the interval. */
export function windowStarts({ fromMs, toMs }: Interval): number[] {
  const count = Math.floor((toMs - fromMs - WINDOW_MS) / SLIDE_MS + 1e-9) + 1;
  if (!(count <= WINDOWS_MAX)) throw new RangeError(`an observation from ${fromMs} to ${toMs} ms has more than ${WINDOWS_MAX} windows`);
  // Multiplied, not added up: a thousand additions drift.
  return Array.from({ length: Math.max(0, count) }, (_, slide) => fromMs + slide * SLIDE_MS);
}

/** For each window, what the measure says about the things whose time lies in it. `starts` ascending. */
export function overWindows<Thing, Result>(
  things: readonly Thing[],
  timeOf: (thing: Thing) => number,
  starts: readonly number[],
  measure: (within: readonly Thing[]) => Result,
): Result[] {
  const sorted = things.toSorted((one, other) => timeOf(one) - timeOf(other));
  let [first, end] = [0, 0];
  const advance = (from: number, untilMs: number): number => {
    let index = from;
    for (let thing = sorted[index]; thing !== undefined && timeOf(thing) < untilMs; thing = sorted[index]) index += 1;
    return index;
  };
  return starts.map((startMs) => {
    first = advance(first, startMs);
    end = advance(Math.max(first, end), startMs + WINDOW_MS);
    return measure(sorted.slice(first, end));
  });
}

/** @param good one a window of `observed` */
export function lastingFrom(good: readonly boolean[], observed: Interval): Lasting {
  const observedMs = observed.toMs - observed.fromMs;
  if (good.length === 0) return { recovery: { kind: "beyond", capMs: Math.max(0, observedMs) }, heldMs: 0, relapses: 0 };
  const badRuns = good.filter((isGood, index) => !isGood && good[index - 1] !== false).length;
  const relapses = Math.max(0, badRuns - 1);
  const firstLasting = good.lastIndexOf(false) + 1;
  if (firstLasting === good.length) return { recovery: { kind: "beyond", capMs: observedMs }, heldMs: 0, relapses };
  const ms = firstLasting * SLIDE_MS;
  if (ms > 0 && observedMs - ms < HELD_MIN_MS) return { recovery: { kind: "beyond", capMs: ms }, heldMs: observedMs - ms, relapses };
  return { recovery: { kind: "recovered", ms }, heldMs: observedMs - ms, relapses };
}
