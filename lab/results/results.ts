/**
 * What a run of the lab leaves behind: results.json, as docs/lab-results.schema.json describes it. All of it is plain data, so that a report
 * can be drawn again, and runs can be added, long after the processes are gone. `null` is "not known", and never a zero.
 * Every `…Ms` of a run counts from the start of that run's baseline.
 */
import type { Machine } from "@tripact/testbed";
import type { ModeName, ProcessKind } from "../platform/mode-processes.ts";
import type { Duration, DurationSummary, RunDuration } from "./durations.ts";
import type { Views } from "./views.ts";

export type { Duration, DurationSummary, RunDuration } from "./durations.ts";

export const RTO_PARTS = ["first", "sustained", "tx", "settle", "headline", "excess", "latency"] as const;
export type RtoPart = (typeof RTO_PARTS)[number];

export const HARMS = ["duplicated", "phantom", "torn", "stuck", "unresolved"] as const;
export type Harm = (typeof HARMS)[number];

export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export interface RunRpo {
  readonly operations: number | null;
  readonly units: number | null;
  /** In cents. */
  readonly money: number | null;
  readonly oldestMs: number | null;
}

export interface CompensationCounts {
  readonly needed: number;
  readonly right: number;
  readonly wrong: number;
  readonly stuck: number;
}

export interface GoodputFigures {
  /** A second, before the fault. */
  readonly baseline: number | null;
  /** A second, from the fault to the end of the offered load. */
  readonly fault: number | null;
  /** 0: nothing was lost; 1: everything. */
  readonly lossRatio: number | null;
}

export type CpuKind = ProcessKind | "postgres";

/** Of one stretch of time, by paid purchase; null where the system does not tell, or a process died without telling. */
export interface CpuPerPurchase {
  readonly total: number | null;
  readonly byKind: Readonly<Partial<Record<CpuKind, number | null>>>;
}

/** What a run did in one stretch of time. */
export interface RunPerformance {
  /** Paid a second. */
  readonly goodputPerSecond: number;
  /** Of the answer to a purchase, from its intended start; null where too little was answered. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** Offered and never answered. */
  readonly unanswered: number;
  readonly cpuMsPerPurchase: CpuPerPurchase;
}

/** What somebody outside can see of a purchase and act on. The last two say of themselves that they are only reserved. */
export const READ_KINDS = ["orderPaid", "unitsSold", "paymentCaptured", "unitsHeld", "paymentAuthorised"] as const;
export type ReadKind = (typeof READ_KINDS)[number];
export const CONFIRMED_READS: readonly ReadKind[] = ["orderPaid", "unitsSold", "paymentCaptured"];

/** By a reader that has no part in the purchases. Each thing counts once for each kind, when it is seen first. */
export interface Reads {
  /** At one database, answered. */
  readonly looks: number;
  readonly unanswered: number;
  readonly kinds: Readonly<Record<ReadKind, { readonly seen: number; readonly undone: number }>>;
}

/** In steps beside each other, as fine as the windows slide by which recovery is judged; one of them begins at the moment of the fault. */
export interface GoodputSeries {
  readonly fromMs: number;
  readonly stepMs: number;
  /** Paid purchases in the step that begins there. */
  readonly ok: readonly number[];
}

/** Of what was to be sent in the step that begins there; null where so little was answered that there is no number. */
export interface LatencySeries {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly p50Ms: readonly (number | null)[];
  readonly p95Ms: readonly (number | null)[];
  readonly p99Ms: readonly (number | null)[];
}

export interface Timeline {
  readonly key: string;
  readonly openedMs: number;
  /** Null: it had not ended when the observation did. */
  readonly endedMs: number | null;
  readonly steps: readonly { readonly atMs: number; readonly where: string; readonly what: string }[];
}

export interface Violation {
  readonly checker: string;
  readonly kind: string;
  readonly key: string;
  readonly detail: string;
  readonly units: number;
  readonly cents: number;
}

export type CellVerdict = "valid" | "invalid" | "unknown";

export interface RunRecord {
  /** When it began, as ISO 8601. */
  readonly startedAt: string;
  readonly seed: number;
  /** The command that does it again. */
  readonly replay: string;
  readonly complete: boolean;
  readonly baseline: Interval;
  /** Around the call that injected it; null where nothing was injected. */
  readonly fault: Interval | null;
  /** Which of those that the fault can hit. Not known of results from before it was noted. */
  readonly victim?: string | null;
  readonly healedAtMs: number | null;
  /** The fault's; where nothing was injected, the moment at which it would have been. */
  readonly momentMs: number;
  readonly offeredUntilMs: number;
  readonly offeredPerSecond: number;
  readonly untilMs: number;
  readonly rtoMs: Readonly<Record<RtoPart, RunDuration>>;
  readonly relapses: number;
  /** For how long recovery was then seen to last, to the end of the offered load. Not known of results from before it was noted. */
  readonly heldMs?: number;
  /** Of the dependency itself, as probed. */
  readonly outageMs: number | null;
  /** When it was down; null: not probed. */
  readonly down: readonly Interval[] | null;
  /** Goodput that counts as recovered, in paid purchases a second, and the healthy time of which it is the worst second. */
  readonly threshold: { readonly perSecond: number; readonly from: "control" | "baseline"; readonly healthySeconds: number } | null;
  readonly rpo: RunRpo;
  readonly harm: Readonly<Record<Harm, number | null>>;
  readonly oversold: number | null;
  readonly compensation: CompensationCounts | null;
  readonly inconsistencyMs: { readonly healthy: Percentiles | null; readonly underFault: Percentiles | null };
  readonly goodput: GoodputFigures;
  /** Before the fault, and from it to the end of the offered load; null where there is no such time. */
  readonly performance: { readonly healthy: RunPerformance | null; readonly underFault: RunPerformance | null };
  /** Null: nobody looked, or what became of what was seen is not known. */
  readonly reads: Reads | null;
  readonly verdict: CellVerdict;
  /** Lines of judges that could not judge. */
  readonly notJudged: readonly string[];
  readonly violations: readonly Violation[];
  /** When acknowledgements rested on one host. */
  readonly oneHost: readonly Interval[];
  readonly series: { readonly goodput: GoodputSeries; readonly latency: LatencySeries | null };
  /** Of the worst transactions only. */
  readonly timelines: readonly Timeline[];
}

export interface Cell {
  readonly mode: ModeName;
  readonly fault: string;
  /** How the fault was made here: "SIGKILL", "nftables", "proxy". */
  readonly mechanism: string;
  readonly runs: number;
  readonly rtoMs: Readonly<Record<RtoPart, DurationSummary>>;
  /** Of the worst run, in each figure by itself. */
  readonly rpo: RunRpo;
  /** The sums of all runs. */
  readonly oversold: number | null;
  readonly duplicated: number | null;
  readonly phantom: number | null;
  readonly torn: number | null;
  readonly stuck: number | null;
  readonly unresolved: number | null;
  readonly compensation: CompensationCounts | null;
  /** Under the fault: the median of the runs' p50, the largest of their p95, the largest of all. */
  readonly inconsistencyMs: { readonly [Each in keyof Percentiles]: number | null };
  /** Medians of the runs. */
  readonly goodput: GoodputFigures;
  /** Of all runs in which there was a reader. */
  readonly reads: Reads | null;
  readonly verdict: CellVerdict;
  readonly records: readonly RunRecord[];
}

export type SettingValue = string | number | boolean | null;

export type { Machine };

export interface Versions {
  /** What was measured: a digest of the files. Figures of two codes are never added. */
  readonly code: string;
  readonly tripact: string;
  readonly node: string;
  readonly postgres: string;
}

/** A row of the source's own table. */
export interface HeadlineRow {
  readonly mode: ModeName;
  readonly fault: string;
  readonly mechanism: string;
  readonly runs: number;
  /** Of `headline`. A mean over a run that went beyond is at least that. */
  readonly rtoMs: { readonly mean: Duration | null; readonly median: Duration | null; readonly p95: Duration | null; readonly max: Duration | null };
  /** Operations lost in the worst run. */
  readonly maxRpo: number | null;
  readonly compensationRightShare: number | null;
  /** Of its own baseline, under the fault. */
  readonly lossUnderFault: number | null;
  /** Of naive's goodput, before the fault. */
  readonly lossToNaive: number | null;
  readonly verdict: CellVerdict;
  readonly source: SourceFigures | null;
}

/** One figure each, for both of its faults together. */
export interface SourceFigures {
  readonly meanRtoMs: number;
  readonly maxRpo: number;
  readonly compensationRightShare: number;
  readonly throughputLossRatio: number;
}

/** What a pattern costs. Medians of the runs. */
export interface Degradation {
  readonly mode: ModeName;
  /** Null: healthy, of the baselines of all its runs. */
  readonly fault: string | null;
  readonly mechanism: string | null;
  readonly runs: number;
  readonly offeredPerSecond: number;
  readonly goodputPerSecond: number | null;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly cpuMsPerPurchase: CpuPerPurchase;
  /**
   * Over naive's, healthy over healthy and fault over the same fault, goodput as a share of what was offered; null where one of the two is
   * not known. At the same load where naive was measured at it, which its `offeredPerSecond` tells.
   */
  readonly toNaive: Readonly<Record<"goodput" | "p50" | "p95" | "p99" | "cpu", number | null> & { readonly offeredPerSecond: number }> | null;
}

/** Runs without a fault, and those of them that seemed to need time to recover from something. */
export interface FalseAlarms {
  readonly runs: number;
  readonly alarms: number;
  readonly rate: number | null;
  /** With 95 % confidence. */
  readonly rateAtMost: number | null;
}

export interface Results {
  readonly schema: 2;
  /** The name of the run. */
  readonly run: string;
  /** Under which the measured code can be found. */
  readonly commit: string;
  readonly seed: number;
  readonly startedAt: string;
  readonly endedAt: string;
  /** Other runs whose cells or views were added to this one's. */
  readonly appended: readonly { readonly run: string; readonly seed: number; readonly startedAt: string; readonly endedAt: string }[];
  /** A quick look: few runs, short observations. */
  readonly quick: boolean;
  /** Null: everything that was asked for was measured. */
  readonly incomplete: string | null;
  readonly machine: Machine;
  readonly versions: Versions;
  /** Effective, by server or process; "lab" holds the load's. What differs from run to run, say a port, is none. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, SettingValue>>>>;
  readonly cells: readonly Cell[];
  readonly notPossibleHere: readonly { readonly fault: string; readonly why: string }[];
  /** Of `sustained`; null: no run was without a fault. */
  readonly falseAlarms: (FalseAlarms & { readonly byMode: readonly (FalseAlarms & { readonly mode: ModeName })[] }) | null;
  readonly headline: readonly HeadlineRow[];
  readonly degradation: readonly Degradation[];
  readonly views: Views;
}
