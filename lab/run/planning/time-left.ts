/** How long it still takes: as long as was guessed, corrected by how long what is over has really taken. */
export class TimeLeft {
  readonly #expectedMs: readonly number[];
  readonly #clockMs: () => number;
  readonly #begunMs: number;
  #finished = 0;
  #finishedMs: number;

  constructor(expectedMs: readonly number[], clockMs: () => number = () => performance.now()) {
    this.#expectedMs = expectedMs;
    this.#clockMs = clockMs;
    this.#begunMs = clockMs();
    this.#finishedMs = this.#begunMs;
  }

  finished(index: number): void {
    this.#finished = index + 1;
    this.#finishedMs = this.#clockMs();
  }

  leftMs(): number {
    const guessed = sum(this.#expectedMs.slice(0, this.#finished));
    const factor = guessed === 0 ? 1 : (this.#finishedMs - this.#begunMs) / guessed;
    const ahead = sum(this.#expectedMs.slice(this.#finished)) * factor;
    return Math.max(0, ahead - (this.#clockMs() - this.#finishedMs));
  }

  text(): string {
    const seconds = Math.round(this.leftMs() / 1_000);
    return seconds >= 60 ? `about ${Math.floor(seconds / 60)} min ${seconds % 60} s left` : `about ${seconds} s left`;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
