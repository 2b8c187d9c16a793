/** What is run, in which order and how long it takes: decided before anything starts, by options and seed alone. */
import type { Fault } from "../../faults/fault.ts";
import { seeded, turns } from "../../load/arrivals.ts";
import type { ModeName } from "../../platform/mode-processes.ts";

export interface Timing {
  /** At the rate, once a platform. */
  readonly warmUpMs: number;
  readonly baselineMs: number;
  /** The fault comes that much later at the most: its moment is drawn over a whole lease. */
  readonly jitterMs: number;
  /** From the fault to the end of the offered load, at the least. */
  readonly observeMs: number;
  readonly settleCapMs: number;
  readonly quietCapMs: number;
}

export const FULL: Timing = { warmUpMs: 2_000, baselineMs: 10_000, jitterMs: 3_000, observeMs: 8_000, settleCapMs: 20_000, quietCapMs: 30_000 };
export const QUICK: Timing = { warmUpMs: 3_000, baselineMs: 5_000, jitterMs: 1_000, observeMs: 8_000, settleCapMs: 8_000, quietCapMs: 12_000 };

export interface Scheduled {
  readonly fault: Fault;
  /** From 1. */
  readonly round: number;
  /** Of the round: its control and its faults see the same load. */
  readonly seed: number;
}

/** One start of the platform. */
export interface Staging {
  readonly mode: ModeName;
  readonly cells: readonly Scheduled[];
}

export interface ScheduleOptions {
  readonly modes: readonly ModeName[];
  readonly faults: readonly Fault[];
  readonly runs: number;
  readonly seed: number;
  readonly quick: boolean;
}

/**
 * Quick: one platform a mode, its faults in their order, and last the one after which no standby is left; a second such has its own. Otherwise a fresh platform
 * for each run; in each round every mode meets every fault, in an order of that round's own, so that what drifts on the machine hits all
 * alike. A round's controls come first: its thresholds are theirs.
 */
export function scheduleOf({ modes, faults, runs, seed, quick }: ScheduleOptions): readonly Staging[] {
  const rounds = Array.from({ length: runs }, (_, index) => ({ round: index + 1, seed: seed + index }));
  const possible = faults.filter((fault) => fault.notPossible() === undefined);
  const meeting = (mode: ModeName): readonly Fault[] => possible.filter((fault) => fault.victimsIn(mode).length > 0);
  if (quick) {
    const inOrder = (mode: ModeName): readonly Fault[] => meeting(mode).toSorted((one, other) => lateness(one) - lateness(other));
    return rounds.flatMap((round) => modes.flatMap((mode) => stagesOf(inOrder(mode)).map((some) => ({ mode, cells: some.map((fault) => ({ fault, ...round })) }))));
  }
  return rounds.flatMap((round) => {
    const all = modes.flatMap((mode) => meeting(mode).map((fault) => ({ mode, cells: [{ fault, ...round }] })));
    const shuffled = [...turns(all.length, seeded(round.seed))].flatMap((index) => all[index] ?? []);
    return shuffled.toSorted((one, other) => Number(isControl(other)) - Number(isControl(one)));
  });
}

/** After a fault that uses its standby up there is nothing left for another one. */
function stagesOf(faults: readonly Fault[]): readonly (readonly Fault[])[] {
  const firstSpender = faults.findIndex(({ spendsStandby }) => spendsStandby);
  if (firstSpender === -1) return faults.length === 0 ? [] : [faults];
  return [faults.slice(0, firstSpender + 1), ...faults.slice(firstSpender + 1).map((fault) => [fault])];
}

function lateness({ breaksNothing, spendsStandby }: Fault): number {
  return breaksNothing ? 0 : spendsStandby ? 2 : 1;
}

function isControl({ cells }: Staging): boolean {
  return cells.every(({ fault }) => fault.breaksNothing);
}

const STAGE_START_MS = 14_000;
const REST_MS = 6_000;

/** A guess; what has been measured makes it better. */
export function expectedMs({ cells }: Staging, timing: Timing): number {
  return STAGE_START_MS + timing.warmUpMs + cells.reduce((sum, { fault }) => sum + timing.baselineMs + timing.jitterMs / 2 + Math.max(timing.observeMs, fault.holdMs + 5_000) + REST_MS, 0);
}
