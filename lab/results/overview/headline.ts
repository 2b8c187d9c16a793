/** The source's own table: four figures of each pattern under its two faults, beside what the source says. */
import { MODE_NAMES, type ModeName } from "../../platform/mode-processes.ts";
import type { Cell, Duration, DurationSummary, HeadlineRow, SourceFigures } from "../results.ts";

const SOURCE_SAGA: SourceFigures = { meanRtoMs: 1_800, maxRpo: 0, compensationRightShare: 0.9998, throughputLossRatio: 0.12 };

/** By the pattern that is most like its own. Its saga is one of events; it has no calls without a pattern. */
export const SOURCE: Readonly<Record<ModeName, SourceFigures | null>> = {
  naive: null,
  saga: SOURCE_SAGA,
  choreography: SOURCE_SAGA,
  tcc: { meanRtoMs: 2_400, maxRpo: 0, compensationRightShare: 1, throughputLossRatio: 0.21 },
  outbox: { meanRtoMs: 4_300, maxRpo: 87, compensationRightShare: 1, throughputLossRatio: 0.08 },
};

/** The two that the source injected: its database killed, and delay with loss. */
export const SOURCE_FAULTS = ["primary-killed", "delay-and-loss"] as const;

/** One block for each of its faults that was injected. */
export function headlineOf(cells: readonly Cell[]): readonly HeadlineRow[] {
  return SOURCE_FAULTS.flatMap((fault) => MODE_NAMES.flatMap((mode) => cells.filter((cell) => cell.mode === mode && cell.fault === fault))).map((cell) => rowOf(cell, cells));
}

function rowOf(cell: Cell, cells: readonly Cell[]): HeadlineRow {
  const { mode, fault, mechanism, runs, rtoMs, rpo, compensation, goodput, verdict } = cell;
  const { median, p95, max } = rtoMs.headline;
  return {
    mode, fault, mechanism, runs,
    rtoMs: { mean: meanOf(rtoMs.headline), median, p95, max },
    maxRpo: rpo.operations,
    // Where none was needed there is no success either.
    compensationRightShare: compensation === null || compensation.needed === 0 ? null : compensation.right / compensation.needed,
    lossUnderFault: goodput.lossRatio,
    lossToNaive: mode === "naive" ? null : lossToNaive(cell, cells),
    verdict,
    source: SOURCE[mode],
  };
}

/** Of the runs in which it was measured. */
export function meanOf({ all }: DurationSummary): Duration | null {
  const measured = all.flatMap((each) => (typeof each === "number" || "beyondMs" in each ? [each] : []));
  if (measured.length === 0) return null;
  const ms = measured.reduce((sum: number, each) => sum + (typeof each === "number" ? each : each.beyondMs), 0) / measured.length;
  return measured.every((each) => typeof each === "number") ? ms : { beyondMs: ms };
}

/** In good health, where both were offered the same: under `busy`, which is there for it, or else before the same fault. */
function lossToNaive({ mode, fault }: Cell, cells: readonly Cell[]): number | null {
  for (const under of ["busy", fault]) {
    const [own, naive] = [mode, "naive"].map((each) => cells.find((cell) => cell.mode === each && cell.fault === under));
    if (own === undefined || naive === undefined || offeredTo(own) !== offeredTo(naive)) continue;
    const [paid, naives] = [own.goodput.baseline, naive.goodput.baseline];
    return paid === null || naives === null || naives === 0 ? null : 1 - paid / naives;
  }
  return null;
}

function offeredTo({ records }: Cell): number | undefined {
  return records[0]?.offeredPerSecond;
}
