/** The table that is left on the terminal: a row a cell. */
import type { Cell, Degradation, Duration, FalseAlarms, HeadlineRow, Results } from "../../results/results.ts";

interface Column {
  readonly head: readonly [string, string];
  readonly width: number;
  readonly cell: (cell: Cell) => string;
}

const UNKNOWN = "?";
const NONE = "-";

const columns: readonly Column[] = [
  { head: ["", "runs"], width: 5, cell: ({ runs }) => String(runs) },
  { head: ["RTO ms", "headline"], width: 10, cell: ({ rtoMs }) => duration(rtoMs.headline.median) },
  { head: ["", "first"], width: 8, cell: ({ rtoMs }) => duration(rtoMs.first.median) },
  { head: ["", "sustained"], width: 11, cell: ({ rtoMs }) => duration(rtoMs.sustained.median) },
  { head: ["", "settle"], width: 9, cell: ({ rtoMs }) => duration(rtoMs.settle.median) },
  { head: ["", "excess"], width: 9, cell: ({ rtoMs }) => duration(rtoMs.excess.median) },
  { head: ["", "lost"], width: 6, cell: ({ rpo }) => harm(rpo.operations) },
  { head: ["dupli-", "cated"], width: 7, cell: ({ duplicated }) => harm(duplicated) },
  { head: ["phan-", "tom"], width: 6, cell: ({ phantom }) => harm(phantom) },
  { head: ["", "torn"], width: 6, cell: ({ torn }) => harm(torn) },
  { head: ["", "stuck"], width: 6, cell: ({ stuck }) => harm(stuck) },
  { head: ["unre-", "solved"], width: 7, cell: ({ unresolved }) => harm(unresolved) },
  { head: ["", "verdict"], width: 9, cell: ({ verdict }) => verdict },
];

const MODE_WIDTH = 13;
const FAULT_WIDTH = 19;

export function tableHead(): string {
  const line = (at: 0 | 1, mode: string, fault: string): string => (mode.padEnd(MODE_WIDTH) + fault.padEnd(FAULT_WIDTH) + columns.map(({ head, width }) => head[at].padStart(width)).join("")).trimEnd();
  const width = MODE_WIDTH + FAULT_WIDTH + columns.reduce((sum, column) => sum + column.width, 0);
  return [line(0, "", ""), line(1, "mode", "fault"), "-".repeat(width)].join("\n");
}

export function tableRow(cell: Cell): string {
  return cell.mode.padEnd(MODE_WIDTH) + cell.fault.padEnd(FAULT_WIDTH) + columns.map((column) => column.cell(cell).padStart(column.width)).join("");
}

export function table(cells: readonly Cell[]): string {
  return [tableHead(), ...cells.map(tableRow)].join("\n");
}

function duration(value: Duration | null): string {
  if (value === null) return NONE;
  return typeof value === "number" ? Math.round(value).toLocaleString("en") : `>${Math.round(value.beyondMs).toLocaleString("en")}`;
}

/** What nobody could judge must not look like nothing. */
function harm(value: number | null): string {
  return value === null ? UNKNOWN : value.toLocaleString("en");
}

/** Columns as wide as what stands in them; the first ones to the left, figures to the right. */
function aligned(rows: readonly (readonly string[])[], left: number): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => (column < left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join("  ").trimEnd()).join("\n");
}

/** The source's own four columns, its figure in brackets behind ours; empty where none of its faults was injected. */
export function sourceTable(rows: readonly HeadlineRow[]): string {
  if (rows.length === 0) return "";
  const beside = (ours: string, source: string | undefined): string => (source === undefined ? ours : `${ours} (${source})`);
  const head = ["mode", "fault", "runs", "mean RTO", "max RPO", "compensation right", "throughput lost", "to naive, healthy"];
  const lines = rows.map(({ mode, fault, runs, rtoMs, maxRpo, compensationRightShare, lossUnderFault, lossToNaive, source }) => [
    mode,
    fault,
    String(runs),
    beside(inSeconds(rtoMs.mean), source === null ? undefined : inSeconds(source.meanRtoMs)),
    beside(harm(maxRpo), source?.maxRpo.toString()),
    beside(percentDown(compensationRightShare), source === null ? undefined : percentDown(source.compensationRightShare)),
    beside(percent(lossUnderFault), source === null ? undefined : percent(source.throughputLossRatio)),
    percent(lossToNaive),
  ]);
  return `Against the source: its table, its figures in brackets (one each, for both of its faults)\n${aligned([head, ...lines], 2)}`;
}

/** What each pattern costs, beside naive in the same results. */
export function costTable(rows: readonly Degradation[]): string {
  if (rows.length === 0) return "";
  const figure = (value: number | null, digits: number): string => (value === null ? NONE : value.toFixed(digits));
  const times = (value: number | null | undefined): string => (value === null || value === undefined ? "" : ` ×${value.toFixed(2)}`);
  const head = ["mode", "fault", "runs", "offered/s", "paid/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms a purchase"];
  const lines = rows.map(({ mode, fault, runs, offeredPerSecond, goodputPerSecond, p50Ms, p95Ms, p99Ms, cpuMsPerPurchase, toNaive }) => [
    mode,
    fault ?? "(healthy)",
    String(runs),
    String(offeredPerSecond) + (toNaive !== null && toNaive.offeredPerSecond !== offeredPerSecond ? ` (${toNaive.offeredPerSecond})` : ""),
    figure(goodputPerSecond, 1) + times(toNaive?.goodput),
    figure(p50Ms, 1) + times(toNaive?.p50),
    figure(p95Ms, 1) + times(toNaive?.p95),
    figure(p99Ms, 1) + times(toNaive?.p99),
    figure(cpuMsPerPurchase.total, 1) + times(toNaive?.cpu),
  ]);
  return `Against naive in the same runs: medians, and how many times naive's (at naive's own rate where it stands in brackets; paid as a share of offered)\n${aligned([head, ...lines], 2)}`;
}

/** Empty where no run was without a fault. */
export function alarmLines(alarms: Results["falseAlarms"]): string {
  if (alarms === null) return "";
  const line = ({ runs, alarms: count, rate, rateAtMost }: FalseAlarms, who: string): readonly string[] => [who, String(runs), String(count), percent(rate), rateAtMost === null ? UNKNOWN : `<= ${percent(rateAtMost)}`];
  const all = alarms.byMode.length > 1 ? [line(alarms, "all")] : [];
  return `False alarms: runs without a fault that seemed to need time to recover (sustained)\n${aligned([["mode", "runs", "alarms", "rate", "with 95 % confidence"], ...alarms.byMode.map((each) => line(each, each.mode)), ...all], 1)}`;
}

function inSeconds(value: Duration | null): string {
  if (value === null) return NONE;
  return typeof value === "number" ? `${(value / 1_000).toFixed(2)} s` : `>${(value.beyondMs / 1_000).toFixed(2)} s`;
}

function percent(share: number | null): string {
  return share === null ? NONE : `${Math.round(share * 1_000) / 10} %`;
}

/** Cut: 99.999 % is not 100 %. */
function percentDown(share: number | null): string {
  return share === null ? NONE : `${Math.floor(share * 10_000 + 1e-9) / 100} %`;
}
