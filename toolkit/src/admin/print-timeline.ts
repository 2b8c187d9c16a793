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
  if (owner === undefined) lines.push(outcome.kind === "never-started" ? started.replace("started", "asked for") : `${started}, took ${wordsOfMs(updatedAtMs - startedAtMs)}`);
  else lines.push(`${started}, driven by ${owner} in epoch ${epoch}${late ? ", LATE" : ""}`);
  if (unread > 0) lines.push(`${unread} ${unread === 1 ? "request waits" : "requests wait"} to be taken up`);
  if (incomplete !== undefined) lines.push(`incomplete: ${incomplete}`);
  return lines;
}

function story({ lines }: Timeline): string[] {
  return table(lines.map((line, index) => cells(line, lines[index - 1])));
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
