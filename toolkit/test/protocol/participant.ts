import { forwardOp, type Offer } from "../../src/protocol/transaction.ts";
import type { Op } from "../../src/protocol/outcome.ts";

/**
 * The truth about one branch: what really happened at its participant, whatever the coordinator was told. A barrier records every
 * outcome, refusals too, and refuses what comes after its undo; an unguarded participant only repeats what it has done.
 */
export class Participant {
  /** The forward effect stands. */
  applied = false;
  confirmed = false;
  readonly #offer: Offer;
  readonly #recorded = new Map<Op, "done" | "refused">();

  constructor(offer: Offer) {
    this.#offer = offer;
  }

  get guarded(): boolean {
    return !("guard" in this.#offer) || this.#offer.guard === "barrier";
  }

  execute(op: Op, willing: boolean): "done" | "refused" {
    const before = this.guarded ? this.#recorded.get(op) : undefined;
    if (before !== undefined) return before;
    const outcome = op === forwardOp(this.#offer) ? this.#forward(willing) : this.#second(op);
    this.#recorded.set(op, outcome);
    return outcome;
  }

  #forward(willing: boolean): "done" | "refused" {
    if (this.applied) return "done";
    const undone = this.#recorded.has("cancel") || this.#recorded.has("compensate");
    if (!willing || (this.guarded && undone)) return "refused";
    this.applied = true;
    return "done";
  }

  #second(op: Op): "done" {
    if (op === "confirm") this.confirmed = true;
    else this.applied = false;
    return "done";
  }
}
