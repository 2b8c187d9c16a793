/** All runs together, beside what the source claims. */
import { atLeastMs, type Measured } from "../measures/recovery.ts";
import { summaryOf, type Summary } from "../measures/statistics.ts";
import type { PartitionPlan, PartitionRun } from "./partition.ts";
import { POLICY_SETTINGS, RUNG_NAMES, type RungName } from "./rungs.ts";

export interface RungFigures {
  readonly rung: RungName;
  readonly rto: Summary;
  /** In the order of the runs; null where it did not recover. */
  readonly afterHealMs: readonly (number | null)[];
  /** Of all runs, the smallest. */
  readonly goodDuring: number;
  readonly oldestMs: number;
  readonly badBefore: number;
  readonly source: { readonly ms: number; readonly atLeast: boolean };
  readonly targetMs: number | null;
  /** Null where there is no target, or nothing was measured. */
  readonly targetMet: boolean | null;
}

export interface LadderFigures {
  readonly schema: 1;
  readonly seed: number;
  readonly runs: number;
  readonly settings: Omit<PartitionPlan, "seed" | "signal"> & typeof POLICY_SETTINGS;
  /** Of each run. */
  readonly partitionsMs: readonly number[];
  readonly rungs: readonly RungFigures[];
}

/** Section 4.4. */
const SOURCE: Readonly<Record<RungName, RungFigures["source"]>> = {
  none: { ms: 120_000, atLeast: true },
  retry: { ms: 8_200, atLeast: false },
  breaker: { ms: 4_700, atLeast: false },
  cache: { ms: 1_300, atLeast: false },
};
const TARGETS_MS: Partial<Record<RungName, number>> = { cache: 500 };

export function ladderFigures({ signal: _, ...plan }: PartitionPlan, runs: readonly PartitionRun[]): LadderFigures {
  const { seed, ...settings } = plan;
  return {
    schema: 1,
    seed,
    runs: runs.length,
    settings: { ...settings, ...POLICY_SETTINGS },
    partitionsMs: runs.map(({ partitionMs }) => partitionMs),
    rungs: RUNG_NAMES.map((rung) => rungFigures(rung, runs)),
  };
}

function rungFigures(rung: RungName, runs: readonly PartitionRun[]): RungFigures {
  const own = runs.flatMap(({ rungs }) => rungs.filter((run) => run.rung === rung));
  const rto = summaryOf(own.map((run) => run.rto));
  const targetMs = TARGETS_MS[rung] ?? null;
  return {
    rung,
    rto,
    afterHealMs: own.map(({ afterHealMs = null }) => afterHealMs),
    goodDuring: Math.min(1, ...own.map(({ goodDuring }) => goodDuring)),
    oldestMs: Math.max(0, ...own.map(({ oldestMs }) => oldestMs)),
    badBefore: own.reduce((sum, { badBefore }) => sum + badBefore, 0),
    source: SOURCE[rung],
    targetMs,
    targetMet: targetMs === null || rto.median === undefined ? null : rto.median.kind === "recovered" && rto.median.ms <= targetMs,
  };
}

export const TITLES: Readonly<Record<RungName, string>> = { none: "time-out only", retry: "+ retry with exponential backoff", breaker: "+ circuit breaker", cache: "+ local cache" };

export function ladderTable({ rungs, runs, seed, partitionsMs, settings }: LadderFigures): string {
  const head = ["client", "source", "RTO median", "max", "after heal", "good meanwhile", "oldest", "target"];
  const rows = rungs.map((one) => [
    TITLES[one.rung],
    `${one.source.atLeast ? "> " : ""}${seconds(one.source.ms)}`,
    text(one.rto.median),
    text(one.rto.max),
    afterHeal(one.afterHealMs),
    `${(100 * one.goodDuring).toFixed(1)} %`,
    one.oldestMs === 0 ? "-" : seconds(one.oldestMs),
    one.targetMs === null ? "-" : `<= ${seconds(one.targetMs)} ${one.targetMet === null ? "?" : one.targetMet ? "met" : "MISSED"}`,
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const lines = [head, ...rows].map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ").trimEnd());
  const [shortest, longest] = [Math.min(...partitionsMs), Math.max(...partitionsMs)];
  return [
    ...lines,
    "",
    `${runs} partitions of ${seconds(shortest)} to ${seconds(longest)} (a proxy that swallows both directions); a question waits ${settings.timeoutMs} ms at most, an answer is good within ${settings.goodWithinMs} ms; seed ${seed}.`,
    "Without another source of answers no client recovers before the network does: the first three end with the partition, whatever its length.",
  ].join("\n");
}

function text(recovery: Measured | undefined): string {
  if (recovery === undefined) return "?";
  return `${recovery.kind === "beyond" ? "> " : ""}${seconds(atLeastMs(recovery))}`;
}

function afterHeal(all: readonly (number | null)[]): string {
  const latest = all.reduce<number | null>((max, ms) => (max === null || ms === null ? null : Math.max(max, ms)), -Infinity);
  if (latest === null) return "never";
  return latest < 0 ? "before it" : `<= ${seconds(latest)}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
