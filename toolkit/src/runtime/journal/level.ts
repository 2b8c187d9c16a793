import type { Store } from "../../stores/store.ts";
import type { Notify } from "../notices.ts";

/** Says when the journal falls below its declared durability, and when it is back: a store has no voice of its own. */
export class LevelWatch {
  readonly #store: Store;
  readonly #notify: Notify;
  #sinceMs: number | undefined;

  constructor(store: Store, notify: Notify) {
    this.#store = store;
    this.#notify = notify;
  }

  look(): void {
    const { state, degradedSinceMs, detail = "" } = this.#store.health();
    // Without a connection nothing is known of its level.
    if (state === "down" || degradedSinceMs === this.#sinceMs) return;
    if (degradedSinceMs !== undefined) this.#notify({ kind: "durability-degraded", since: timeOf(degradedSinceMs), detail });
    else if (this.#sinceMs !== undefined) this.#notify({ kind: "durability-restored", since: timeOf(this.#sinceMs) });
    this.#sinceMs = degradedSinceMs;
  }
}

function timeOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
