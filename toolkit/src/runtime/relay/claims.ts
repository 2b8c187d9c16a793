import { LANES, type ClaimedLane, type Lanes } from "../../stores/outbox-log.ts";

export interface ClaimsParts {
  readonly subscription: string;
  readonly lanes: Lanes;
  readonly owner: () => string;
}

/**
 * Takes lanes and lets go of them, and remembers when the log may know of more that are ours than we do: a release that failed, a claim whose
 * reply was lost, lanes that were to go when we began anew. As long as we live nobody else could claim those.
 */
export class Claims {
  readonly #parts: ClaimsParts;
  #inDoubt = false;

  constructor(parts: ClaimsParts) {
    this.#parts = parts;
  }

  /** The log may know of more. */
  doubt(): void {
    this.#inDoubt = true;
  }

  async claim(lanes: readonly number[]): Promise<readonly ClaimedLane[]> {
    const { subscription, owner } = this.#parts;
    return await this.orDoubt(this.#parts.lanes.claim({ subscription, owner: owner(), lanes }));
  }

  async release(lanes: readonly number[]): Promise<void> {
    const { subscription, owner } = this.#parts;
    await this.orDoubt(this.#parts.lanes.release({ subscription, owner: owner(), lanes }));
  }

  /** Lets go of whatever else may be ours; true when there was anything that may be. */
  async releaseAllBut(kept: readonly number[]): Promise<boolean> {
    if (!this.#inDoubt) return false;
    this.#inDoubt = false;
    const keep = new Set(kept);
    const others = Array.from({ length: LANES }, (_, lane) => lane).filter((lane) => !keep.has(lane));
    if (others.length === 0) return false;
    await this.release(others);
    return true;
  }

  async orDoubt<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      this.doubt();
      throw error;
    }
  }
}
