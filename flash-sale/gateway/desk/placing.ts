/** Asks the purchase workers to place an order, and keeps apart what surely did not happen from what nobody knows. */
import type { OrdersDoor, Placed, Placement } from "../../contracts.ts";
import { NotTaken, type Asking } from "../../service/ask.ts";
import { Turns, type Turn } from "../../service/turns.ts";

export type PlacementOutcome = Placed | { readonly kind: "unknown" };

export interface PlacingOptions {
  readonly workers: readonly Asking<OrdersDoor>[];
  readonly clock: () => number;
  readonly onError: (error: unknown) => void;
}

/** A placement takes some milliseconds, so this many are thousands a second. Where workers are slower, a buyer who is told so at once is better off than one in a queue. */
const IN_FLIGHT_MAX = 64;
const TIMEOUT_MS = 2_000;
const overloaded: PlacementOutcome = { kind: "overloaded" };
const unknown: PlacementOutcome = { kind: "unknown" };

export class Placing {
  readonly #options: PlacingOptions;
  readonly #turns: Turns;
  #inFlight = 0;

  constructor(options: PlacingOptions) {
    this.#options = options;
    this.#turns = new Turns(options.workers.length, options.clock);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isFull(): boolean {
    return this.#inFlight >= IN_FLIGHT_MAX;
  }

  /** Never rejects. */
  async place(placement: Placement): Promise<PlacementOutcome> {
    if (this.isFull) return overloaded;
    this.#inFlight += 1;
    try {
      return await this.#askInTurn(placement);
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #askInTurn(placement: Placement): Promise<PlacementOutcome> {
    let inDoubt = false;
    for (const turn of this.#turns.of(TIMEOUT_MS)) {
      const outcome = await this.#askOne(turn, placement);
      // It may be the question that was not answered which placed it, from this very promise.
      if (outcome.kind === "placed") return inDoubt ? { ...outcome, again: false } : outcome;
      // These are about the order itself, so they hold whatever became of an earlier question.
      if (outcome.kind === "conflict" || outcome.kind === "never-placed") return outcome;
      // These are about this question. An earlier one that was not answered may still be placed.
      if (outcome.kind === "limited" || outcome.kind === "closed") return inDoubt ? unknown : outcome;
      if (outcome.kind === "unknown") inDoubt = true;
    }
    return inDoubt ? unknown : overloaded;
  }

  async #askOne({ index, timeoutMs, answered, silent }: Turn, placement: Placement): Promise<PlacementOutcome> {
    const worker = this.#options.workers[index];
    if (worker === undefined) return overloaded;
    try {
      const outcome = await worker.ask("/orders/place", placement, { timeoutMs });
      answered();
      return outcome;
    } catch (error) {
      if (error instanceof NotTaken) {
        answered();
        this.#options.onError(error);
        return overloaded;
      }
      silent();
      return wasNeverSent(error) ? overloaded : unknown;
    }
  }
}

/** There was no connection to send it over. */
function wasNeverSent(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return code === "ECONNREFUSED" || code === "UND_ERR_CONNECT_TIMEOUT";
}
