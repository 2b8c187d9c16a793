import type { ModeName } from "../platform/mode-processes.ts";
import { type Measured, type Recovery } from "../measures/recovery.ts";
import { worstRpo, type Rpo } from "../measures/rpo.ts";
import { summaryOf } from "../measures/statistics.ts";
import { medianOf } from "./median.ts";
import { READ_KINDS, RTO_PARTS, type Cell, type CellVerdict, type CompensationCounts, type Duration, type DurationSummary, type Reads, type RtoPart, type RunDuration, type RunRecord, type RunRpo } from "./results.ts";

export interface CellName {
  readonly mode: ModeName;
  readonly fault: string;
  readonly mechanism: string;
}

/** What the runs of one mode under one fault say together. One that was broken off counts as what it measured. */
export function cellOf({ mode, fault, mechanism }: CellName, records: readonly RunRecord[]): Cell {
  const median = (figure: (run: RunRecord) => number | null): number | null => medianOf(records.map(figure));
  const harmed = (figure: (run: RunRecord) => number | null): number | null => sumOf(records.map(figure));
  return {
    mode,
    fault,
    mechanism,
    runs: records.length,
    rtoMs: rtoOf(records),
    rpo: worstOf(records.map(({ rpo }) => rpo)),
    oversold: harmed(({ oversold }) => oversold),
    duplicated: harmed(({ harm }) => harm.duplicated),
    phantom: harmed(({ harm }) => harm.phantom),
    torn: harmed(({ harm }) => harm.torn),
    stuck: harmed(({ harm }) => harm.stuck),
    unresolved: harmed(({ harm }) => harm.unresolved),
    compensation: compensationOf(records),
    inconsistencyMs: {
      p50: median(({ inconsistencyMs }) => inconsistencyMs.underFault?.p50 ?? null),
      p95: largestOf(records.map(({ inconsistencyMs }) => inconsistencyMs.underFault?.p95 ?? null)),
      max: largestOf(records.map(({ inconsistencyMs }) => inconsistencyMs.underFault?.max ?? null)),
    },
    goodput: {
      baseline: median(({ goodput }) => goodput.baseline),
      fault: median(({ goodput }) => goodput.fault),
      lossRatio: median(({ goodput }) => goodput.lossRatio),
    },
    reads: readsOf(records),
    verdict: verdictOf(records),
    records,
  };
}

export function durationOf(recovery: Recovery): RunDuration {
  switch (recovery.kind) {
    case "recovered":
      return recovery.ms;
    case "beyond":
      return { beyondMs: recovery.capMs };
    case "unmeasured":
      return { unmeasured: recovery.because };
  }
}

export function recoveryOf(duration: RunDuration): Recovery {
  if (typeof duration === "number") return { kind: "recovered", ms: duration };
  return "beyondMs" in duration ? { kind: "beyond", capMs: duration.beyondMs } : { kind: "unmeasured", because: duration.unmeasured };
}

export function durationsOf(all: readonly RunDuration[]): DurationSummary {
  const { n, median, medianBetween, p95, max } = summaryOf(all.map(recoveryOf));
  return {
    n,
    median: known(median),
    medianBetween: medianBetween === undefined ? null : { low: written(medianBetween.low), high: written(medianBetween.high) },
    p95: known(p95),
    max: known(max),
    all,
  };
}

/** `all` in the order of the runs, the unmeasured included. */
function rtoOf(records: readonly RunRecord[]): Record<RtoPart, DurationSummary> {
  const summaries = RTO_PARTS.map((part) => [part, durationsOf(records.map(({ rtoMs }) => rtoMs[part]))] as const);
  return Object.fromEntries(summaries) as Record<RtoPart, DurationSummary>;
}

function worstOf(runs: readonly RunRpo[]): RunRpo {
  const worst = worstRpo(runs.map(judgedRpo));
  if (worst.kind === "unknown") return { operations: null, units: null, money: null, oldestMs: null };
  return { operations: worst.operations, units: worst.units, money: worst.cents, oldestMs: worst.oldestMs };
}

function judgedRpo({ operations, units, money, oldestMs }: RunRpo): Rpo {
  if (operations === null) return { kind: "unknown", because: "what was lost was not judged" };
  return { kind: "known", operations, units: units ?? 0, cents: money ?? 0, oldestMs, undated: 0 };
}

/** One run that nobody could judge leaves the sum unknown, unless something was found anyway. */
function sumOf(figures: readonly (number | null)[]): number | null {
  const sum = figures.reduce((total: number, figure) => total + (figure ?? 0), 0);
  return sum === 0 && (figures.length === 0 || figures.includes(null)) ? null : sum;
}

function largestOf(figures: readonly (number | null)[]): number | null {
  const all = present(figures);
  return all.length === 0 ? null : Math.max(...all);
}

function present(figures: readonly (number | null)[]): number[] {
  return figures.filter((figure) => figure !== null);
}

function compensationOf(records: readonly RunRecord[]): CompensationCounts | null {
  const counted = records.flatMap(({ compensation }) => (compensation === null ? [] : [compensation]));
  if (counted.length === 0) return null;
  const total = (figure: keyof CompensationCounts): number => counted.reduce((sum, counts) => sum + counts[figure], 0);
  return { needed: total("needed"), right: total("right"), wrong: total("wrong"), stuck: total("stuck") };
}

function readsOf(records: readonly RunRecord[]): Reads | null {
  const all = records.flatMap(({ reads }) => (reads === null ? [] : [reads]));
  if (all.length === 0) return null;
  const total = (figure: (reads: Reads) => number): number => all.reduce((sum, reads) => sum + figure(reads), 0);
  const kinds = READ_KINDS.map((kind) => [kind, { seen: total((reads) => reads.kinds[kind].seen), undone: total((reads) => reads.kinds[kind].undone) }] as const);
  return { looks: total(({ looks }) => looks), unanswered: total(({ unanswered }) => unanswered), kinds: Object.fromEntries(kinds) as Reads["kinds"] };
}

/** One no is a no; short of that, one run that nobody could judge leaves it open. */
function verdictOf(records: readonly RunRecord[]): CellVerdict {
  if (records.some(({ verdict }) => verdict === "invalid")) return "invalid";
  return records.length === 0 || records.some(({ verdict }) => verdict === "unknown") ? "unknown" : "valid";
}

function known(measured: Measured | undefined): Duration | null {
  return measured === undefined ? null : written(measured);
}

function written(measured: Measured): Duration {
  return measured.kind === "recovered" ? measured.ms : { beyondMs: measured.capMs };
}
