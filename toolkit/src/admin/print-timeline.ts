import type { BranchReport, TransactionOutcome } from "../runtime/outcome.ts";
import type { Timeline, TimelineLine } from "./timeline.ts";
import { plain, wordsOfMs, wordsOfReason } from "./wording.ts";

/** The timeline as text for a terminal: a head, what happened when and by whom, and how each branch stands. */
export function printTimeline(timeline: Timeline): string {
  const sections = [head(timeline), story(timeline), branches(timeline.branches)].filter((lines) => lines.length > 0);
  return `${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Columns as wide as their widest cell; the last one is left ragged. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join("  ").trimEnd());
}

/** One sentence on how a transaction stands. */
export function sentenceOf(outcome: TransactionOutcome): string {
  switch (outcome.kind) {
    case "committed":
      return `committed${outcome.result === undefined ? "" : ` with ${plain(JSON.stringify(outcome.result))}`}`;
    case "rolled-back":
      return `rolled back: ${wordsOfReason(outcome.reason)}`;
    case "mixed":
      return `mixed: decided ${outcome.decision === "commit" ? "commit" : "roll back"}, but a branch ended the other way`;
    case "never-started":
      return "never started, and never will";
    case "open":
      return `open (${outcome.phase})${outcome.parked === undefined ? "" : `, PARKED: ${plain(outcome.parked)}`}`;
  }
}

function head(timeline: Timeline): string[] {
  const { gid, definition, version, outcome, startedAtMs, updatedAtMs, owner, epoch, late, unread, incomplete } = timeline;
  const started = `started ${new Date(startedAtMs).toISOString()}`;
  const lines = [definition === "" ? plain(gid) : `${plain(gid)}  ${plain(definition)}@${plain(version)}`, sentenceOf(outcome)];
  if (owner === undefined) lines.push(outcome.kind === "never-started" ? started.replace("started", "asked for") : `${started}, took ${wordsOfMs(timeline.lines.at(-1)?.sinceStartMs ?? updatedAtMs - startedAtMs)}`);
  else lines.push(`${started}, driven by ${owner} in epoch ${epoch}${late ? ", LATE" : ""}`);
  if (unread > 0) lines.push(`${unread} ${unread === 1 ? "request waits" : "requests wait"} to be taken up`);
  if (incomplete !== undefined) lines.push(`incomplete: ${incomplete}`);
  return lines;
}

/** A participant that is away for a day leaves thousands of attempts: the first and the last ones tell it. */
const ATTEMPTS_SHOWN = { first: 3, last: 2 };

function story({ lines }: Timeline): string[] {
  const rows: string[][] = [];
  for (let from = 0; from < lines.length; ) {
    const to = endOfAttempts(lines, from);
    const gap = { from: from + ATTEMPTS_SHOWN.first, to: to - ATTEMPTS_SHOWN.last };
    for (const [offset, line] of lines.slice(from, to).entries()) {
      const index = from + offset;
      if (gap.to - gap.from < 2 || index < gap.from || index >= gap.to) rows.push(cells(line, lines[index - 1]));
      else if (index === gap.from) rows.push(["  ...", "", "", "", `${gap.to - gap.from} more attempts (--json has them all)`]);
    }
    from = to;
  }
  return table(rows);
}

/** Where the attempts that begin here end, if one does: by the same node, whatever the branch. */
function endOfAttempts(lines: readonly TimelineLine[], from: number): number {
  const first = lines[from];
  let to = from + 1;
  while (first?.kind === "attempted" && lines[to]?.kind === "attempted" && lines[to]?.epoch === first.epoch) to += 1;
  return to;
}

/** What repeats from the line above is left out: entry and node say what was committed together, and where a takeover was. */
function cells(line: TimelineLine, above: TimelineLine | undefined): string[] {
  const sameEntry = above?.seq === line.seq;
  const seconds = `+${(line.sinceStartMs / 1_000).toFixed(3)}s`;
  const by = above !== undefined && above.by === line.by && above.epoch === line.epoch ? "" : `${plain(line.by)} epoch ${line.epoch}`;
  return [`  ${sameEntry ? "" : seconds}`, sameEntry ? "" : `#${line.seq}`, by, plain(line.branch ?? "-"), line.text];
}

function branches(reports: readonly BranchReport[]): string[] {
  if (reports.length === 0) return [];
  const rows = reports.map(({ branch, kind, state, attempts, detail = "" }) => [
    `  ${plain(branch)}`,
    kind,
    state,
    [attempts === 0 ? "" : `${attempts} unanswered`, plain(detail)].filter((part) => part !== "").join(", "),
  ]);
  return ["branches", ...table(rows)];
}
