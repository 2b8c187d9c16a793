/**
 * What counts as recovered, from everything that was seen without a fault: of each mode at each load the worst second of all controls and baselines.
 * One control alone is too kind a measure: of two healthy runs, each has the worse second half of the time, and every other healthy run
 * would seem to recover from something. So recovery is judged last, when all runs are there, and again when runs are added.
 */
import { atLeastMs, isMeasured, latestOf, type Interval } from "../measures/recovery.ts";
import { excessOf } from "../measures/rto.ts";
import { lastingFrom, SLIDE_MS, WINDOW_MS, type Lasting } from "../measures/windows.ts";
import { cellOf, durationOf, recoveryOf } from "./cell.ts";
import type { Cell, GoodputSeries, RunRecord } from "./results.ts";

/** Some buyers are declined, and some ask a second time for the same; less than this was no sale in good health, and is nobody's measure. */
export const HEALTHY_SHARE = 0.8;

export function calibrated(cells: readonly Cell[]): readonly Cell[] {
  const healthy = cells.flatMap(({ mode, records }) => records.map((run) => ({ mode, ...healthyIn(run) })));
  return cells.map((cell) => {
    const ofMode = healthy.filter(({ mode }) => mode === cell.mode);
    return cellOf(cell, cell.records.map((run) => judgedBy(run, ofMode.filter((each) => each.run.offeredPerSecond === run.offeredPerSecond))));
  });
}

/** What one run says about good health. */
interface Healthy {
  readonly run: RunRecord;
  readonly isControl: boolean;
  /** Paid purchases in the worst window: before the fault, and of a control in all of it. Undefined where no window is whole. */
  readonly before: number | undefined;
  /** It carried the rate before anything was broken; otherwise it is nobody's measure, nor can it be judged. */
  readonly fit: boolean;
  readonly worst: number | undefined;
  readonly seconds: number;
}

function healthyIn(run: RunRecord): Healthy {
  const isControl = run.fault === null;
  const before = lowest(windowsOf(run.series.goodput, { fromMs: run.baseline.fromMs, toMs: run.momentMs }));
  const during = { fromMs: run.baseline.fromMs, toMs: isControl ? run.offeredUntilMs : run.momentMs };
  const fit = (run.goodput.baseline ?? 0) >= HEALTHY_SHARE * run.offeredPerSecond;
  const worst = fit ? lowest(windowsOf(run.series.goodput, during)) : undefined;
  // One second in which nothing was paid is a fault of its own, not everybody's measure; that run is not judged, and says why.
  return { run, isControl, before, fit, worst: worst === 0 ? undefined : worst, seconds: fit ? (during.toMs - during.fromMs) / 1_000 : 0 };
}

/** By the others and by what it was itself before the fault: a control must not be excused by what it is judged for. */
function judgedBy(run: RunRecord, healthy: readonly Healthy[]): RunRecord {
  const own = healthy.find((each) => each.run === run);
  const others = healthy.filter((each) => each.run !== run && each.worst !== undefined);
  const perWindow = lowest([own?.before, ...others.map(({ worst }) => worst)].filter((each) => each !== undefined));
  const fit = own?.fit ?? false;
  const because = !fit ? "the rate was not carried before the fault" : perWindow === undefined ? "the baseline is shorter than a second, and there is no other run" : "the baseline has a second without a paid purchase";
  const threshold = !fit || perWindow === undefined || perWindow === 0 ? undefined : perWindow;
  const sustained: Lasting = threshold === undefined ? { recovery: { kind: "unmeasured", because }, heldMs: 0, relapses: 0 } : sustainedAt(run, threshold);
  const headline = latestOf({ sustained: sustained.recovery, settle: recoveryOf(run.rtoMs.settle) });
  const untilBackMs = isMeasured(headline) ? run.momentMs + atLeastMs(headline) : run.untilMs;
  const excess = run.down === null ? ({ kind: "unmeasured" } as const) : { kind: "measured" as const, ...downWithin(run.down, { fromMs: run.momentMs, toMs: untilBackMs }, run.untilMs) };
  const healthySeconds = Math.round((run.momentMs - run.baseline.fromMs) / 1_000 + others.reduce((sum, { seconds }) => sum + seconds, 0));
  return {
    ...run,
    rtoMs: { ...run.rtoMs, sustained: durationOf(sustained.recovery), headline: durationOf(headline), excess: durationOf(excessOf(headline, excess)) },
    relapses: sustained.relapses,
    heldMs: Math.round(sustained.heldMs),
    threshold: threshold === undefined ? null : { perSecond: threshold, from: others.some(({ isControl }) => isControl) ? "control" : "baseline", healthySeconds },
  };
}

function sustainedAt(run: RunRecord, perWindow: number): Lasting {
  const observed = { fromMs: run.momentMs, toMs: run.offeredUntilMs };
  return lastingFrom(windowsOf(run.series.goodput, observed).map((ok) => ok >= perWindow), observed);
}

/** Paid purchases in each window that lies whole in the interval, sliding by the series' own steps. */
function windowsOf({ fromMs, stepMs, ok }: GoodputSeries, during: Interval): readonly number[] {
  if (stepMs !== SLIDE_MS) throw new RangeError(`windows slide by ${SLIDE_MS} ms, and the series has steps of ${stepMs} ms`);
  const steps = WINDOW_MS / SLIDE_MS;
  const first = Math.max(0, Math.round((during.fromMs - fromMs) / SLIDE_MS));
  const end = Math.min(ok.length, Math.floor((during.toMs - fromMs) / SLIDE_MS + 1e-9));
  const sums: number[] = [];
  let sum = 0;
  for (let step = first; step < end; step += 1) {
    sum += ok[step] ?? 0;
    if (step - first >= steps) sum -= ok[step - steps] ?? 0;
    if (step - first >= steps - 1) sums.push(sum);
  }
  return sums;
}

function lowest(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((least, each) => Math.min(least, each), Infinity);
}

/** The dependency's own outage within the interval, and whether it ended at all. */
function downWithin(down: readonly Interval[], { fromMs, toMs }: Interval, untilMs: number): { readonly downMs: number; readonly ended: boolean } {
  const downMs = down.reduce((sum, each) => sum + Math.max(0, Math.min(each.toMs, toMs) - Math.max(each.fromMs, fromMs)), 0);
  return { downMs, ended: !down.some((each) => each.toMs >= untilMs) };
}
