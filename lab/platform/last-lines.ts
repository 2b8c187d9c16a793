const LINES_MAX = 200;
const CHARACTERS_MAX = 2_000;

/** What a process said last: enough for an error message, and never more than that in memory. */
export class LastLines {
  readonly #lines: string[] = [];

  push(line: string): void {
    this.#lines.push(line.slice(0, CHARACTERS_MAX));
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }

  /** The last `count` lines, or that there are none. */
  text(count = LINES_MAX): string {
    return this.#lines.length === 0 ? "(nothing)" : this.#lines.slice(-count).join("\n");
  }
}
