/** When to cut: so many times, with pauses between them that the seed says. */
import { FaultError } from "./fault.ts";

export interface CutsOptions {
  readonly cutsMax: number;
  /** From one to the next at the most; at the least none. */
  readonly pauseMaxMs: number;
  readonly random: () => number;
}

export class Cuts {
  readonly #options: CutsOptions;
  #left: number;
  #notBeforeMs = 0;

  constructor(options: CutsOptions) {
    this.#options = options;
    this.#left = options.cutsMax;
  }

  /** A fault that has hit nothing is none, and whoever came through it has shown nothing. @throws FaultError where nothing was cut */
  check(): void {
    if (this.#left === this.#options.cutsMax) throw new FaultError("nothing-to-hit", "there was nothing to cut");
  }

  /** Whether this one is cut, of those that could be; it counts as done. */
  take(nowMs: number): boolean {
    if (this.#left === 0 || nowMs < this.#notBeforeMs) return false;
    this.#left -= 1;
    this.#notBeforeMs = nowMs + this.#options.random() * this.#options.pauseMaxMs;
    return true;
  }
}
