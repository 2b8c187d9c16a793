/** A text table: first column to the left, figures to the right, a line under the head. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const lineOf = (cells: readonly string[]): string =>
    widths.map((width, column) => (column === 0 ? (cells[column] ?? "").padEnd(width) : (cells[column] ?? "").padStart(width))).join("  ").trimEnd();
  return [lineOf(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(lineOf)].join("\n");
}

/** A number with as many digits as its size deserves; `-` for none. */
export function figureText(value: number | null): string {
  if (value === null) return "-";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toPrecision(value >= 10 ? 3 : 2);
}
