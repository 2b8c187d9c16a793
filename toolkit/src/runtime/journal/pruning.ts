import { textOf } from "../../protocol/errors.ts";
import type { Journal } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

/** Deletes what retention no longer asks for, one bounded batch at a time. */
export class Pruning {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #tuning: Tuning;
  readonly #notify: Notify;
  #nextMs = 0;

  constructor(journal: Journal, clock: Clock, tuning: Tuning, notify: Notify) {
    this.#journal = journal;
    this.#clock = clock;
    this.#tuning = tuning;
    this.#notify = notify;
  }

  /** Does nothing until it is time again. */
  tick(): void {
    if (this.#clock.nowMs() < this.#nextMs) return;
    this.#nextMs = this.#clock.nowMs() + this.#tuning.pruneEveryMs;
    const { entriesMs, headersMs } = this.#tuning.retention;
    this.#journal.prune({ entriesMs, headersMs, limit: this.#tuning.pruneBatch }).then(
      (count) => {
        // A full batch: there is more, and the next tick goes on.
        if (count >= this.#tuning.pruneBatch) this.#nextMs = 0;
      },
      (error: unknown) => this.#notify({ kind: "store", error: textOf(error) }),
    );
  }
}
