/** What a run did before the fault and after it: goodput, latency, and what it cost. */
import { lossRatio, performanceOf, type Performance } from "../../measures/degradation.ts";
import type { Interval } from "../../measures/recovery.ts";
import { sum } from "../../platform/databases.ts";
import type { CpuKind, GoodputFigures, RunPerformance, RunRecord } from "../../results/results.ts";
import type { Business } from "./business.ts";

/** CPU time of a stretch of time, in ms, by kinds of processes; undefined where nobody knows. */
export type CpuByKind = Readonly<Partial<Record<CpuKind, number | undefined>>>;

export interface Stretches {
  readonly baseline: Interval;
  readonly fault: Interval;
  readonly injected: boolean;
  readonly offeredUntilMs: number;
  /** Null: not looked at. */
  readonly cpuMs: { readonly healthy: CpuByKind; readonly underFault: CpuByKind } | null;
}

export function performanceIn({ served, offered }: Business, { baseline, fault, injected, offeredUntilMs, cpuMs }: Stretches): Pick<RunRecord, "performance" | "goodput"> {
  if (baseline.toMs <= baseline.fromMs || offeredUntilMs <= fault.fromMs) return { performance: { healthy: null, underFault: null }, goodput: { baseline: null, fault: null, lossRatio: null } };
  const after = { fromMs: fault.fromMs, toMs: offeredUntilMs };
  const perform = (during: Interval, cpu: CpuByKind | undefined): Performance => performanceOf(served, offered, during, cpu === undefined ? undefined : sum(Object.values(cpu)));
  const healthy = perform(baseline, cpuMs?.healthy);
  const under = perform(after, cpuMs?.underFault);
  const goodput: GoodputFigures = { baseline: healthy.goodputPerSecond, fault: under.goodputPerSecond, lossRatio: lossRatio(healthy, under) };
  return { goodput, performance: { healthy: written(healthy, baseline, cpuMs?.healthy), underFault: injected ? written(under, after, cpuMs?.underFault) : null } };
}

function written(performance: Performance, { fromMs, toMs }: Interval, cpu: CpuByKind = {}): RunPerformance {
  const purchases = (performance.goodputPerSecond * (toMs - fromMs)) / 1_000;
  const each = (ms: number | undefined): number | null => (ms === undefined || purchases === 0 ? null : rounded(ms / purchases));
  const { cpuMsPerPurchase } = performance;
  return {
    ...performance,
    cpuMsPerPurchase: { total: cpuMsPerPurchase === null ? null : rounded(cpuMsPerPurchase), byKind: Object.fromEntries(Object.entries(cpu).map(([kind, ms]) => [kind, each(ms)])) },
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
