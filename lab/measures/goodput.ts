import { isMeasured, type Interval, type Recovery } from "./recovery.ts";
import { rateAtMost } from "./statistics.ts";
import { lastingFrom, overWindows, SLIDE_MS, WINDOW_MS, windowStarts, type Lasting } from "./windows.ts";

/** An operation with a final ok. Promises and business noes are none. */
export interface Served {
  /** When it was really sent. */
  readonly sentMs: number;
  readonly okMs: number;
}

/** A fault, as an interval around the call that injected it. */
export type Fault = Interval;

/** How much goodput counts as recovered, in ok operations a window; `share` where there was no control run. */
export type Threshold =
  | { readonly kind: "control"; readonly perWindow: number }
  | { readonly kind: "share"; readonly share: number; readonly perWindow: number }
  | { readonly kind: "unusable"; readonly because: string };

export interface Point {
  /** The window's start. */
  readonly atMs: number;
  readonly ok: number;
}

/** Ok operations a window, sliding. */
export function goodputSeries(served: readonly Served[], during: Interval): Point[] {
  const starts = windowStarts(during);
  const counts = overWindows(served, ({ okMs }) => okMs, starts, ({ length }) => length);
  return starts.map((atMs, index) => ({ atMs, ok: counts[index] ?? 0 }));
}

/**
 * The lowest window of a run with the same seed and without a fault. A threshold of nothing would be met by a dead system, so it is none.
 * @param during the part of the control run that a fault's run observes after its fault
 */
export function thresholdFromControl(control: readonly Served[], during: Interval): Threshold {
  const perWindow = goodputSeries(control, during).reduce((lowest, { ok }) => Math.min(lowest, ok), Infinity);
  if (perWindow === Infinity) return { kind: "unusable", because: "the control run is shorter than a window" };
  if (perWindow === 0) return { kind: "unusable", because: "the control run itself has a window without an ok" };
  return { kind: "control", perWindow };
}

/** Where there is no control run: a share of the mean before the fault. */
export function thresholdFromBaseline(served: readonly Served[], baseline: Interval, share = 0.95): Threshold {
  if (!(share > 0 && share <= 1)) throw new RangeError(`share must be above 0 and at most 1, got ${share}`);
  const windows = (baseline.toMs - baseline.fromMs) / WINDOW_MS;
  const ok = served.filter(({ okMs }) => okMs >= baseline.fromMs && okMs < baseline.toMs).length;
  if (!(windows > 0) || ok === 0) return { kind: "unusable", because: "nothing was served before the fault" };
  return { kind: "share", share, perWindow: (share * ok) / windows };
}

/** The first ok of an operation that was sent when the fault was already there. Proof of life only. */
export function firstOk(served: readonly Served[], fault: Fault, untilMs: number): Recovery {
  // What was sent while the fault was being injected may have been served before it struck.
  const since = served.filter(({ sentMs, okMs }) => sentMs > fault.toMs && okMs <= untilMs);
  const firstMs = since.reduce((earliest, { okMs }) => Math.min(earliest, okMs), Infinity);
  if (firstMs === Infinity) return { kind: "beyond", capMs: untilMs - fault.fromMs };
  return { kind: "recovered", ms: firstMs - fault.fromMs };
}

/**
 * From when on every window had at least the threshold, until the end of the observation. A window that meets it may begin in the outage:
 * with a threshold of 95 % of the mean, up to 50 ms before its end. What an outage shorter than that does is not seen here, but in `tx`.
 * @param untilMs the end of the offered load at the latest: afterwards there is nothing to serve
 */
export function sustained(served: readonly Served[], threshold: Threshold, fault: Fault, untilMs: number): Lasting {
  if (threshold.kind === "unusable") return { recovery: { kind: "unmeasured", because: threshold.because }, heldMs: 0, relapses: 0 };
  const observed = { fromMs: fault.fromMs, toMs: untilMs };
  const good = goodputSeries(served, observed).map(({ ok }) => ok >= threshold.perWindow);
  return lastingFrom(good, observed);
}

export interface FalseAlarms {
  /** Runs without a fault. */
  readonly runs: number;
  /** Those that seemed to need time to recover from nothing. */
  readonly alarms: number;
  readonly rate?: number;
  /** Not more than this, with 95 % confidence. */
  readonly rateAtMost?: number;
}

/** @param sustainedWithoutFault `sustained` of each no-fault run, as from a fault at a drawn moment */
export function falseAlarmsOf(sustainedWithoutFault: readonly Recovery[]): FalseAlarms {
  const judged = sustainedWithoutFault.filter(isMeasured);
  const alarms = judged.filter((each) => each.kind === "beyond" || each.ms >= SLIDE_MS).length;
  const bound = rateAtMost(alarms, judged.length);
  return { runs: judged.length, alarms, ...(bound === undefined ? {} : { rate: alarms / judged.length, rateAtMost: bound }) };
}
