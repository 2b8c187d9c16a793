import type { Interval } from "./recovery.ts";
import { spreadOf, type Spread } from "./statistics.ts";

/** One transaction and everything that could be seen of it, at the time of its commit, by the clock of one database server. */
export interface Trace {
  readonly key: string;
  /** Movements of stock, the payment's last change, events of the order: whatever a stranger could read. In any order. */
  readonly effectsMs: readonly number[];
  /** Every participant has reached its last state. */
  readonly final: boolean;
}

export interface Inconsistency {
  /** From the first effect that was visible anywhere to the last one, of the transactions that are final; none where there is none. */
  readonly windowMs?: Spread;
  /** Visible and not final: no number of milliseconds. */
  readonly open: readonly string[];
  /** Without any effect: nobody could see them half done. */
  readonly untouched: number;
}

export function inconsistencyOf(traces: readonly Trace[]): Inconsistency {
  const touched = traces.filter(({ effectsMs }) => effectsMs.length > 0);
  const windowMs = spreadOf(touched.filter(({ final }) => final).map((trace) => spanOf(trace).toMs - spanOf(trace).fromMs));
  return {
    ...(windowMs === undefined ? {} : { windowMs }),
    open: touched.filter(({ final }) => !final).map(({ key }) => key),
    untouched: traces.length - touched.length,
  };
}

/** Healthy, and under fault: those that were half done at any moment of it. An open one is half done for ever. */
export function splitByFault(traces: readonly Trace[], fault: Interval): { readonly healthy: readonly Trace[]; readonly underFault: readonly Trace[] } {
  const isUnder = (trace: Trace): boolean => {
    if (trace.effectsMs.length === 0) return false;
    const { fromMs, toMs } = spanOf(trace);
    return fromMs < fault.toMs && (!trace.final || toMs >= fault.fromMs);
  };
  return { healthy: traces.filter((trace) => !isUnder(trace)), underFault: traces.filter(isUnder) };
}

/** How often an independent reader saw an effect that was later undone: it had happened by then, and was still to be taken back. */
export function seenThenUndone(reads: readonly { readonly key: string; readonly atMs: number }[], undoneAtMs: ReadonlyMap<string, number>): number {
  return reads.filter(({ key, atMs }) => atMs < (undoneAtMs.get(key) ?? -Infinity)).length;
}

function spanOf({ effectsMs }: Trace): Interval {
  return {
    fromMs: effectsMs.reduce((earliest, ms) => Math.min(earliest, ms), Infinity),
    toMs: effectsMs.reduce((latest, ms) => Math.max(latest, ms), -Infinity),
  };
}
