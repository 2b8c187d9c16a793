/** What a pattern costs: its goodput, latency and CPU time beside naive's of the same results, healthy and under each fault. */
import { against, type Compared } from "../../measures/degradation.ts";
import { MODE_NAMES } from "../../platform/mode-processes.ts";
import { medianOf } from "../median.ts";
import type { Cell, CpuKind, CpuPerPurchase, Degradation, RunPerformance } from "../results.ts";

type Row = Omit<Degradation, "toNaive">;

export function degradationOf(cells: readonly Cell[]): readonly Degradation[] {
  const healthy = MODE_NAMES.flatMap((mode) => {
    const byRate = Map.groupBy(cells.filter((cell) => cell.mode === mode).flatMap(({ records }) => records), ({ offeredPerSecond }) => offeredPerSecond);
    return [...byRate].flatMap(([offeredPerSecond, runs]) => rowOf({ mode, fault: null, mechanism: null, offeredPerSecond }, runs.map(({ performance }) => performance.healthy)));
  });
  const underFault = cells.flatMap(({ mode, fault, mechanism, records }) => {
    const byRate = Map.groupBy(records, ({ offeredPerSecond }) => offeredPerSecond);
    return [...byRate].flatMap(([offeredPerSecond, runs]) => rowOf({ mode, fault, mechanism, offeredPerSecond }, runs.map(({ performance }) => performance.underFault)));
  });
  const rows = [...healthy, ...underFault];
  return rows.map((row) => {
    const naive = row.mode === "naive" ? undefined : naiveFor(row, rows);
    return { ...row, toNaive: naive === undefined ? null : { ...against(comparedOf(row), comparedOf(naive)), offeredPerSecond: naive.offeredPerSecond } };
  });
}

/** Under the same fault and the same load; where there was none, under naive's own. */
function naiveFor({ fault, mechanism, offeredPerSecond }: Row, rows: readonly Row[]): Row | undefined {
  const alike = rows.filter((each) => each.mode === "naive" && each.fault === fault && each.mechanism === mechanism);
  return alike.find((each) => each.offeredPerSecond === offeredPerSecond) ?? alike[0];
}

/** None of no run. */
function rowOf(name: Pick<Row, "mode" | "fault" | "mechanism" | "offeredPerSecond">, runs: readonly (RunPerformance | null)[]): readonly Row[] {
  const measured = runs.filter((run) => run !== null);
  if (measured.length === 0) return [];
  const median = (figure: (run: RunPerformance) => number | null): number | null => medianOf(measured.map(figure));
  const row: Row = {
    ...name,
    runs: measured.length,
    goodputPerSecond: median((run) => run.goodputPerSecond),
    p50Ms: median((run) => run.p50Ms),
    p95Ms: median((run) => run.p95Ms),
    p99Ms: median((run) => run.p99Ms),
    cpuMsPerPurchase: cpuOf(measured.map((run) => run.cpuMsPerPurchase)),
  };
  return [row];
}

function cpuOf(runs: readonly CpuPerPurchase[]): CpuPerPurchase {
  const kinds = [...new Set(runs.flatMap(({ byKind }) => Object.keys(byKind) as CpuKind[]))];
  return { total: medianOf(runs.map(({ total }) => total)), byKind: Object.fromEntries(kinds.map((kind) => [kind, medianOf(runs.map(({ byKind }) => byKind[kind] ?? null))])) };
}

/** Goodput as a share of what was offered: more of it is no merit of whoever was offered more. */
function comparedOf({ offeredPerSecond, goodputPerSecond, p50Ms, p95Ms, p99Ms, cpuMsPerPurchase }: Row): Compared {
  return { goodputPerSecond: goodputPerSecond === null ? null : goodputPerSecond / offeredPerSecond, p50Ms, p95Ms, p99Ms, cpuMsPerPurchase: cpuMsPerPurchase.total };
}
