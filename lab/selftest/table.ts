/** The detection table. It is printed row by row, as soon as a row is known. */
import { isClean, type DetectionRow } from "./selftest.ts";

const VARIANT_WIDTH = 48;
const SEEDS_WIDTH = 7;
const TWIN_WIDTH = 13;

export function detectionHead(): string {
  return `${["broken variant", "seeds", "right clean", "who objected"].map(padded).join("")}\n${"-".repeat(VARIANT_WIDTH + SEEDS_WIDTH + TWIN_WIDTH + 20)}`;
}

/** Three lines at most: the figures, what is wrong with it, and who objected to the right twin. */
export function detectionLines(row: DetectionRow): string {
  const { variant, wrong, objected, seedsUntilCaught, rightObjections } = row;
  const cells = [variant, seedsUntilCaught === null ? "missed" : String(seedsUntilCaught), isClean(row) ? "yes" : "NO", objected.length === 0 ? "nobody" : objected.join(", ")];
  const against = isClean(row) ? "" : `\n    its right twin: ${rightObjections.join(", ")}`;
  return `${cells.map(padded).join("")}\n    ${wrong}${against}`;
}

function padded(text: string, column: number): string {
  const widths = [VARIANT_WIDTH, SEEDS_WIDTH, TWIN_WIDTH];
  return text.padEnd(widths[column] ?? 0);
}

export function summary(rows: readonly DetectionRow[]): string {
  const caught = rows.filter(({ seedsUntilCaught }) => seedsUntilCaught !== null).length;
  const clean = rows.filter(isClean).length;
  return `${caught} of ${rows.length} broken variants caught, ${clean} of ${rows.length} right twins clean`;
}
