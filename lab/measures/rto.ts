import { firstOk, sustained, type Fault, type Served, type Threshold } from "./goodput.ts";
import { latencyRecovery, type LatencyRecovery, type Offered } from "./latency.ts";
import { outageOf, type Outage, type Probed } from "./outage.ts";
import { isMeasured, atLeastMs, latestOf, type Interval, type Recovery } from "./recovery.ts";
import { openAtFault, type Level, type OpenAtFault, type Transaction } from "./transactions.ts";
import type { Lasting } from "./windows.ts";

export type { Level } from "./transactions.ts";

/** One run, with all its times on one monotonic clock. */
export interface Run {
  readonly baseline: Interval;
  readonly fault: Fault;
  /** The end of the offered load, at most `untilMs`: goodput and latency are judged up to here. */
  readonly offeredUntilMs: number;
  /** The end of the observation, quiescence included: the cap of everything else is from the fault to here. */
  readonly untilMs: number;
  readonly served: readonly Served[];
  readonly offered: readonly Offered[];
  /** Null where the rows could not be read. */
  readonly transactions: readonly Transaction[] | null;
  /** Transactions that have been open for too long, whenever they began: what the fault holds up comes after it, too. */
  readonly overdue: readonly Level[];
  /** What waits in outboxes and queues; null where the pattern has none. */
  readonly backlog: readonly Level[] | null;
  /** How many invariants were broken at each look; null where nobody looked during the run, and the checkers alone judge its end. */
  readonly broken: readonly Level[] | null;
  /** Of the dependency that the fault hits. */
  readonly probes: readonly Probed[];
  readonly threshold: Threshold;
}

export interface Rto {
  readonly first: Recovery;
  readonly sustained: Lasting;
  readonly tx: OpenAtFault;
  /** The last of: every open transaction ended, as few overdue as before, the backlog back at what it was, no invariant broken. */
  readonly settle: Recovery;
  /** The later of `sustained` and `settle`. */
  readonly headline: Recovery;
  readonly outage: Outage;
  /** What is left of the headline without the dependency's own outage; never below 0. */
  readonly excess: Recovery;
  readonly latency: LatencyRecovery;
  /** What the threshold rests on: the report says so. */
  readonly threshold: Threshold;
}

export function rtoOf(run: Run): Rto {
  const { fault, untilMs, served, threshold } = run;
  const lasting = sustained(served, threshold, fault, run.offeredUntilMs);
  const tx = openAtFault(run.transactions, fault, untilMs);
  const settle = settleOf(run, tx);
  const headline = latestOf({ sustained: lasting.recovery, settle });
  const untilBackMs = isMeasured(headline) ? fault.fromMs + atLeastMs(headline) : untilMs;
  return {
    first: firstOk(served, fault, untilMs),
    sustained: lasting,
    tx,
    settle,
    headline,
    outage: outageOf(run.probes, { fromMs: fault.fromMs, toMs: untilMs }),
    excess: excessOf(headline, outageOf(run.probes, { fromMs: fault.fromMs, toMs: untilBackMs })),
    latency: latencyRecovery(run.offered, run.baseline, fault, run.offeredUntilMs),
    threshold,
  };
}

function settleOf({ baseline, overdue, backlog, broken, fault, untilMs }: Run, tx: OpenAtFault): Recovery {
  const usualOf = (levels: readonly Level[]): number | undefined => {
    const before = levels.filter(({ atMs }) => atMs >= baseline.fromMs && atMs < baseline.toMs);
    return before.length === 0 ? undefined : before.reduce((most, { level }) => Math.max(most, level), 0);
  };
  return latestOf({
    transactions: tx.recovery,
    overdue: backAt(overdue, usualOf(overdue), fault, untilMs),
    ...(backlog === null ? {} : { backlog: backAt(backlog, usualOf(backlog), fault, untilMs) }),
    ...(broken === null ? {} : { invariants: backAt(broken, 0, fault, untilMs) }),
  });
}

/** The first sample from which on none was above the usual level; 0 where none ever was. */
export function backAt(levels: readonly Level[], usual: number | undefined, fault: Fault, untilMs: number): Recovery {
  const since = levels.filter(({ atMs }) => atMs >= fault.fromMs && atMs <= untilMs).toSorted((one, other) => one.atMs - other.atMs);
  if (usual === undefined) return { kind: "unmeasured", because: "no sample before the fault" };
  if (since.length === 0) return { kind: "unmeasured", because: "no sample after the fault" };
  const lastAbove = since.findLastIndex(({ level }) => level > usual);
  if (lastAbove === -1) return { kind: "recovered", ms: 0 };
  const back = since[lastAbove + 1];
  if (back === undefined) return { kind: "beyond", capMs: untilMs - fault.fromMs };
  return { kind: "recovered", ms: back.atMs - fault.fromMs };
}

/** @param outage of the time from the fault to the headline, or to the cap */
export function excessOf(headline: Recovery, outage: Outage): Recovery {
  if (headline.kind === "unmeasured") return headline;
  if (outage.kind === "unmeasured") return { kind: "unmeasured", because: "the dependency was not probed" };
  const ms = Math.max(0, atLeastMs(headline) - outage.downMs);
  if (headline.kind === "recovered") return { kind: "recovered", ms };
  return outage.ended ? { kind: "beyond", capMs: ms } : { kind: "unmeasured", because: "the dependency itself did not come back" };
}
