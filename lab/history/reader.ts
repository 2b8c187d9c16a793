/** Reads a history line by line. How it ended is its last item, so no reader can pass over it. */
import { createReadStream } from "node:fs";
import { decodeLine, HistoryError } from "./decode.ts";
import type { ClockReading, Final, Header, Injection, Line, Operation, PhaseEnd, PhaseStart } from "./line.ts";

/**
 * Only `complete` lets a judge say valid; the others allow invalid, or unknown.
 * - `empty`: no operation in it, whether it was closed or not.
 * - `broken-off`: its writer ended before its last line; what was not flushed is missing.
 * - `gaps`: closed, but so many lines could not be written, or are not there.
 */
export type Ending =
  | { readonly kind: "complete"; readonly operations: number }
  | { readonly kind: "empty" }
  | { readonly kind: "broken-off"; readonly operations: number; readonly tornBytes: number }
  | { readonly kind: "gaps"; readonly operations: number; readonly missing: number };

export type Item = { readonly kind: "line"; readonly line: Line } | { readonly kind: "ending"; readonly ending: Ending };

/** A line is small; what is longer is another file. */
const LINE_CHARS_MAX = 1_000_000;

/** @throws HistoryError for anything that is no history; a torn last line is an ending. */
export async function* readHistory(path: string): AsyncGenerator<Item, void, undefined> {
  let row = 0;
  let operations = 0;
  let end: Line | undefined;
  let rest = "";
  for await (const text of textOf(path)) {
    const pieces = (rest + text).split("\n");
    rest = pieces.pop() ?? "";
    if (rest.length > LINE_CHARS_MAX) throw new HistoryError(row === 0 ? "not-a-history" : "bad-line", `line ${row + 1} does not end`);
    for (const piece of pieces) {
      row += 1;
      if (end !== undefined) throw new HistoryError("bad-line", `line ${row} comes after the last one`);
      const line = decodeLine(piece, row);
      if (line.kind === "operation") operations += 1;
      if (line.kind === "end") end = line;
      yield { kind: "line", line };
    }
  }
  yield { kind: "ending", ending: endingOf(end, row, operations, Buffer.byteLength(rest)) };
}

function endingOf(end: Line | undefined, rows: number, operations: number, tornBytes: number): Ending {
  if (operations === 0) return { kind: "empty" };
  if (end?.kind !== "end") return { kind: "broken-off", operations, tornBytes };
  const missing = end.unwritten + Math.abs(end.lines - (rows - 1));
  // Something after the last line was not written by our writer.
  if (missing > 0 || tornBytes > 0) return { kind: "gaps", operations, missing };
  return { kind: "complete", operations };
}

async function* textOf(path: string): AsyncGenerator<string, void, undefined> {
  const stream = createReadStream(path, { encoding: "utf8", highWaterMark: 1 << 18 });
  try {
    for await (const chunk of stream) yield chunk as string;
  } catch (error) {
    throw new HistoryError("unreadable", `${path} cannot be read`, error);
  } finally {
    stream.destroy();
  }
}

/** A whole history in memory, sorted into its kinds: what a checker judges. */
export interface History {
  /** undefined: not even that much was written. */
  readonly header: Header | undefined;
  readonly operations: readonly Operation[];
  readonly finals: readonly Final[];
  readonly phases: readonly (PhaseStart | PhaseEnd)[];
  readonly injections: readonly Injection[];
  readonly clocks: readonly ClockReading[];
  readonly ending: Ending;
}

export async function loadHistory(path: string): Promise<History> {
  let header: Header | undefined;
  let ending: Ending = { kind: "empty" };
  const operations: Operation[] = [];
  const finals: Final[] = [];
  const phases: (PhaseStart | PhaseEnd)[] = [];
  const injections: Injection[] = [];
  const clocks: ClockReading[] = [];
  const sort = (line: Line): void => {
    switch (line.kind) {
      case "header": header = line; break;
      case "operation": operations.push(line); break;
      case "final": finals.push(line); break;
      case "phase": case "phase-end": phases.push(line); break;
      case "fault": case "heal": injections.push(line); break;
      case "clock": clocks.push(line); break;
      case "end": break;
    }
  };
  for await (const item of readHistory(path)) {
    if (item.kind === "line") sort(item.line);
    else ending = item.ending;
  }
  return { header, operations, finals, phases, injections, clocks, ending };
}
