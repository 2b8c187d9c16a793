/** From everything that one run has left to its record in the results. Pure: the same files give the same record. */
import { overall } from "../../checkers/judge.ts";
import type { Evidence, Verdict } from "../../checkers/checker.ts";
import { figuresOf, type Figures } from "../../checkers/figures.ts";
import type { History } from "../../history/reader.ts";
import { compensationOf } from "../../measures/compensation.ts";
import { thresholdFromControl } from "../../measures/goodput.ts";
import { inconsistencyOf, splitByFault, type Trace } from "../../measures/inconsistency.ts";
import { downIn, type Probed } from "../../measures/outage.ts";
import type { Interval } from "../../measures/recovery.ts";
import { rpoOf, type Lost } from "../../measures/rpo.ts";
import { rtoOf, type Level, type Rto } from "../../measures/rto.ts";
import { overdueLevels } from "../../measures/transactions.ts";
import { HEALTHY_SHARE } from "../../results/calibrated.ts";
import { durationOf } from "../../results/cell.ts";
import type { GoodputFigures, Percentiles, RunRecord, RunRpo, Violation } from "../../results/results.ts";
import { businessOf, type Business } from "./business.ts";
import { performanceIn, type Stretches } from "./performance.ts";
import { readsOf, type Seen } from "./reads.ts";
import { goodputIn, latencyIn, worstTimelines } from "./series.ts";

/** Times are on the history's clock. */
export interface Ran {
  readonly startedAt: string;
  readonly seed: number;
  readonly replay: string;
  readonly sku: string;
  readonly history: History;
  /** Of this sale only. */
  readonly evidence: Evidence;
  readonly verdicts: readonly Verdict[];
  readonly baseline: Interval;
  /** Where nothing was injected: the moment at which it would have been. */
  readonly fault: Interval;
  readonly injected: boolean;
  /** Which of those that the fault can hit; null where nothing was injected. */
  readonly victim: string | null;
  /** `skewed`: the clock of the database that wrote them was wrong for a while, so they measure nothing. */
  readonly rowTimes: "true" | "skewed";
  readonly healedAtMs: number | null;
  readonly offeredUntilMs: number;
  readonly untilMs: number;
  readonly probes: readonly Probed[];
  readonly oneHost: readonly Interval[];
  /** What was offered. */
  readonly ratePerSecond: number;
  /** Messages that were overdue, at each look; null where the mode has none. */
  readonly backlog: readonly Level[] | null;
  readonly cpuMs: Stretches["cpuMs"];
  /** By the stranger; null where there was none. */
  readonly seen: Seen | null;
  /** What went wrong with the run itself, so that it is not whole. */
  readonly notes: readonly string[];
  /** What else is to be known of it. */
  readonly remarks: readonly string[];
}

/** Recovered as seen from this run alone; the others of its mode have their say in `calibrated`. */
export function recordOf(ran: Ran): RunRecord {
  const { baseline, fault, offeredUntilMs, untilMs, probes } = ran;
  const business = businessOf(ran.history, ran.evidence, ran.sku, ran.rowTimes);
  const { served, offered, transactions } = business;
  const threshold = thresholdFromControl(served, baseline);
  const isRead = ran.evidence.orders !== null;
  const overdue = !isRead ? [] : overdueLevels(transactions, { fromMs: baseline.fromMs, toMs: untilMs });
  const rto = rtoOf({ baseline, fault, offeredUntilMs, untilMs, served, offered, transactions: isRead ? transactions : null, overdue, backlog: ran.backlog, broken: null, probes, threshold });
  const figures = figuresOf(ran.verdicts);
  const at = (ms: number): number => Math.round((ms - baseline.fromMs) * 10) / 10;
  const between = ({ fromMs, toMs }: Interval): Interval => ({ fromMs: at(fromMs), toMs: at(toMs) });
  const { goodput, performance } = performanceIn(business, ran);
  return {
    startedAt: ran.startedAt,
    seed: ran.seed,
    replay: ran.replay,
    complete: ran.notes.length === 0,
    baseline: between(baseline),
    fault: ran.injected ? between(fault) : null,
    victim: ran.victim,
    healedAtMs: ran.healedAtMs === null ? null : at(ran.healedAtMs),
    momentMs: at(fault.fromMs),
    offeredUntilMs: at(offeredUntilMs),
    offeredPerSecond: ran.ratePerSecond,
    untilMs: at(untilMs),
    rtoMs: partsOf(rto),
    relapses: rto.sustained.relapses,
    heldMs: Math.round(rto.sustained.heldMs),
    outageMs: rto.outage.kind === "measured" ? rto.outage.downMs : null,
    down: rto.outage.kind === "measured" ? downIn(probes, untilMs).map(between) : null,
    threshold: threshold.kind === "unusable" ? null : { perSecond: threshold.perWindow, from: "baseline", healthySeconds: Math.round((baseline.toMs - baseline.fromMs) / 1_000) },
    rpo: runRpoOf(ran, figures),
    harm: harmOf(figures),
    oversold: ranOut(ran.evidence) || (figures.oversold ?? 0) > 0 ? figures.oversold : null,
    compensation: isRead ? compensationCounts(business) : null,
    inconsistencyMs: inconsistencyIn(business.traces, ran),
    goodput,
    performance,
    reads: ran.seen === null ? null : readsOf(ran.seen, ran.evidence),
    verdict: overall(ran.verdicts),
    notJudged: [...ran.notes, ...ran.remarks, ...onRowTimes(ran), ...tooMuch(goodput, ran), ...ran.verdicts.flatMap((verdict) => (verdict.verdict === "unknown" ? [`${verdict.checker}: ${verdict.why}`] : []))],
    violations: ran.verdicts.flatMap(violationsOf),
    oneHost: ran.oneHost.map(between),
    series: { goodput: goodputIn(served, { fromMs: baseline.fromMs, toMs: offeredUntilMs }, fault.fromMs, at), latency: latencyIn(offered, { fromMs: baseline.fromMs, toMs: offeredUntilMs }, at) },
    timelines: worstTimelines(business, fault, at),
  };
}

function partsOf(rto: Rto): RunRecord["rtoMs"] {
  return {
    first: durationOf(rto.first),
    sustained: durationOf(rto.sustained.recovery),
    tx: durationOf(rto.tx.recovery),
    settle: durationOf(rto.settle),
    headline: durationOf(rto.headline),
    excess: durationOf(rto.excess),
    latency: durationOf(rto.latency.recovery),
  };
}

function runRpoOf({ verdicts, fault }: Ran, { lost }: Figures): RunRpo {
  const verdict = verdicts.find(({ checker }) => checker === "lost");
  const examples: readonly Lost[] = verdict?.verdict === "invalid" ? verdict.examples.map(({ key, units, cents, atMs }) => ({ key, units, cents, intentMs: atMs ?? null })) : [];
  const rpo = rpoOf(lost === null ? null : examples, fault.fromMs);
  if (rpo.kind === "unknown" || lost === null) return { operations: null, units: null, money: null, oldestMs: null };
  // A verdict keeps only so many examples; its counts are of all.
  const oldestMs = lost.oldestAtMs === null ? rpo.oldestMs : Math.max(0, fault.fromMs - lost.oldestAtMs);
  return { operations: lost.operations, units: lost.units, money: lost.cents, oldestMs };
}

function harmOf({ duplicated, phantom, torn, stuck, unresolved }: Figures): RunRecord["harm"] {
  return { duplicated, phantom, torn, stuck, unresolved };
}

function compensationCounts({ ended }: Business): RunRecord["compensation"] {
  const { needed, right, wrong, stuck } = compensationOf(ended);
  return { needed, right, wrong: wrong.length, stuck: stuck.length };
}

function inconsistencyIn(traces: readonly Trace[], { injected, fault, healedAtMs, untilMs }: Ran): RunRecord["inconsistencyMs"] {
  const { healthy, underFault } = injected ? splitByFault(traces, { fromMs: fault.fromMs, toMs: healedAtMs ?? untilMs }) : { healthy: traces, underFault: [] };
  const spread = (some: readonly Trace[]): Percentiles | null => {
    const { windowMs } = inconsistencyOf(some);
    return windowMs === undefined ? null : { p50: windowMs.p50, p95: windowMs.p95, max: windowMs.max };
  };
  return { healthy: spread(healthy), underFault: spread(underFault) };
}


function onRowTimes({ rowTimes }: Ran): readonly string[] {
  return rowTimes === "true" ? [] : ["the database's own clock was wrong: transactions are timed as buyers saw them begin and end, and the time in which they were half done is not measured"];
}

/** Only then could somebody have sold too much: where nothing is scarce, nothing of that kind is put to the test. */
function ranOut({ items }: Evidence): boolean {
  return items?.some(({ free }) => free === 0) ?? false;
}

/** What did not work before the fault cannot come back after it. */
function tooMuch({ baseline }: GoodputFigures, { ratePerSecond }: Ran): readonly string[] {
  if (baseline !== null && baseline >= HEALTHY_SHARE * ratePerSecond) return [];
  return [`before the fault ${baseline?.toFixed(1) ?? "none"} of ${ratePerSecond} purchases a second were paid: this machine, or whatever else it does, does not carry the rate, so its recovery says little`];
}

function violationsOf(verdict: Verdict): readonly Violation[] {
  if (verdict.verdict !== "invalid") return [];
  return verdict.examples.map(({ kind, key, detail, units, cents }) => ({ checker: verdict.checker, kind, key, detail, units, cents }));
}
