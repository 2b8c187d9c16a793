/** The table of `npm start`: a row a mode, of fixed width, so that a row can be printed before the others are known. */
import type { ModeName } from "../platform/mode-processes.ts";
import type { RunDuration } from "../results/results.ts";
import type { ModeFigures, PrimaryKilled } from "./figures.ts";

interface Column {
  readonly head: readonly [string, string];
  readonly width: number;
  readonly cell: (figures: ModeFigures) => string;
}

const UNKNOWN = "?";
const NONE = "-";

const columns: readonly Column[] = [
  { head: ["", "offered"], width: 9, cell: ({ offered }) => count(offered) },
  { head: ["", "accepted"], width: 9, cell: ({ accepted }) => count(accepted) },
  { head: ["sold", "out"], width: 8, cell: ({ soldOut }) => count(soldOut) },
  { head: ["", "limited"], width: 8, cell: ({ limited }) => count(limited) },
  { head: ["orders", "paid"], width: 7, cell: ({ paid }) => count(paid) },
  { head: ["units", "sold"], width: 7, cell: ({ unitsSold }) => count(unitsSold) },
  { head: ["over-", "sold"], width: 6, cell: ({ oversold }) => harm(oversold) },
  { head: ["", "lost"], width: 6, cell: ({ lost }) => harm(lost) },
  { head: ["dupli-", "cated"], width: 7, cell: ({ duplicated }) => harm(duplicated) },
  { head: ["", "stuck"], width: 6, cell: ({ stuck }) => harm(stuck) },
  { head: ["gateway ms", "p50"], width: 11, cell: ({ gatewayP50Ms }) => measure(gatewayP50Ms) },
  { head: ["", "p99"], width: 7, cell: ({ gatewayP99Ms }) => measure(gatewayP99Ms) },
  { head: ["purchase ms", "p50"], width: 12, cell: ({ purchaseP50Ms }) => measure(purchaseP50Ms) },
  { head: ["", "p99"], width: 7, cell: ({ purchaseP99Ms }) => measure(purchaseP99Ms) },
  { head: ["CPU ms per", "purchase"], width: 11, cell: ({ cpuMsPerPurchase }) => measure(cpuMsPerPurchase) },
  { head: ["goodput", "vs naive"], width: 9, cell: ({ goodputVsNaive }) => (goodputVsNaive === null ? NONE : goodputVsNaive.toFixed(2)) },
  { head: ["primary killed:", "RTO ms first"], width: 17, cell: killed(({ rtoFirstMs }) => duration(rtoFirstMs)) },
  { head: ["RTO ms", "headline"], width: 10, cell: killed(({ rtoHeadlineMs }) => duration(rtoHeadlineMs)) },
  { head: ["RPO", "lost"], width: 6, cell: killed(({ lost }) => harm(lost)) },
];

const MODE_WIDTH = 12;

export function tableHead(): string {
  const line = (at: 0 | 1, first: string): string => (first.padEnd(MODE_WIDTH) + columns.map(({ head, width }) => head[at].padStart(width)).join("")).trimEnd();
  const width = MODE_WIDTH + columns.reduce((sum, column) => sum + column.width, 0);
  return [line(0, ""), line(1, "mode"), "-".repeat(width)].join("\n");
}

export function tableRow(mode: ModeName, figures: ModeFigures): string {
  return mode.padEnd(MODE_WIDTH) + columns.map(({ cell, width }) => cell(figures).padStart(width)).join("");
}

export function table(modes: Readonly<Partial<Record<ModeName, ModeFigures>>>): string {
  return [tableHead(), ...Object.entries(modes).map(([mode, figures]) => tableRow(mode as ModeName, figures))].join("\n");
}

function count(value: number): string {
  return value.toLocaleString("en");
}

/** What nobody could judge must not look like nothing. */
function harm(value: number | null): string {
  return value === null ? UNKNOWN : count(value);
}

function measure(value: number | null): string {
  if (value === null) return NONE;
  return value >= 100 ? count(Math.round(value)) : value.toPrecision(value >= 10 ? 3 : 2);
}

function killed(cell: (figures: PrimaryKilled) => string): Column["cell"] {
  return ({ primaryKilled }) => (primaryKilled === null ? NONE : cell(primaryKilled));
}

/** Longer than was observed is not missing, and what nothing tells is no zero. */
function duration(value: RunDuration): string {
  if (typeof value === "number") return count(Math.round(value));
  return "beyondMs" in value ? `>${count(Math.round(value.beyondMs))}` : UNKNOWN;
}
