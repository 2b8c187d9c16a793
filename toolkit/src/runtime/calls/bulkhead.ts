import { askAgainInMs } from "../../protocol/retry.ts";
import type { Clock } from "../clock.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

interface Lane {
  inFlight: number;
  unknownInARow: number;
  /** When the first of them ended. */
  downSinceMs: number;
  /** Said to be paused, and not yet to be well again. */
  told: boolean;
  pausedUntilMs: number;
  readonly waiting: (() => void)[];
  timer: (() => void) | undefined;
}

/**
 * A limit and a breaker per participant, so that one that is slow or down fills neither every slot nor the log. Waiting here spends no
 * attempt. The queue is bounded by the number of open transactions.
 */
export class Bulkhead {
  readonly #lanes = new Map<string, Lane>();
  readonly #clock: Clock;
  readonly #tuning: Tuning;
  readonly #notify: Notify;

  constructor(clock: Clock, tuning: Tuning, notify: Notify) {
    this.#clock = clock;
    this.#tuning = tuning;
    this.#notify = notify;
  }

  /** Runs `go` now, or when the participant has room again. `go` must lead to `leave`. */
  enter(participant: string, go: () => void): void {
    const lane = this.#lane(participant);
    if (lane.inFlight < this.#limit(lane)) {
      lane.inFlight += 1;
      go();
    } else {
      lane.waiting.push(go);
      this.#wakeLater(lane);
    }
  }

  /** `unused` is said within `go`: whoever called that admits the next one, or the stack would grow with the queue. */
  leave(participant: string, end: "answered" | "unknown" | "unused"): void {
    const lane = this.#lane(participant);
    lane.inFlight -= 1;
    if (end === "unused") return;
    if (end === "answered") {
      lane.unknownInARow = 0;
      lane.pausedUntilMs = 0;
      if (lane.told) this.#notify({ kind: "participant-resumed", participant });
      lane.told = false;
    } else if (end === "unknown") {
      if (lane.unknownInARow === 0) lane.downSinceMs = this.#clock.nowMs();
      lane.unknownInARow += 1;
      if (lane.unknownInARow >= this.#tuning.breakerAfter) this.#pause(participant, lane);
    }
    this.#admit(lane);
  }

  #pause(participant: string, lane: Lane): void {
    const nowMs = this.#clock.nowMs();
    const pauseMs = askAgainInMs(nowMs - lane.downSinceMs, this.#tuning.breakerPauseMs);
    if (!lane.told) this.#notify({ kind: "participant-paused", participant, pauseMs });
    lane.told = true;
    lane.pausedUntilMs = nowMs + pauseMs;
  }

  /** While it is paused nobody enters; after the pause one call tests the water, until it answers. */
  #limit(lane: Lane): number {
    if (lane.unknownInARow < this.#tuning.breakerAfter) return this.#tuning.participantLimit;
    return lane.pausedUntilMs > this.#clock.nowMs() ? 0 : 1;
  }

  #admit(lane: Lane): void {
    while (lane.inFlight < this.#limit(lane)) {
      const go = lane.waiting.shift();
      if (go === undefined) return;
      lane.inFlight += 1;
      go();
    }
    this.#wakeLater(lane);
  }

  #wakeLater(lane: Lane): void {
    const waitMs = lane.pausedUntilMs - this.#clock.nowMs();
    if (waitMs <= 0 || lane.waiting.length === 0 || lane.timer !== undefined) return;
    lane.timer = this.#clock.after(waitMs, () => {
      lane.timer = undefined;
      this.#admit(lane);
    });
  }

  #lane(participant: string): Lane {
    let lane = this.#lanes.get(participant);
    if (lane === undefined) {
      lane = { inFlight: 0, unknownInARow: 0, downSinceMs: 0, told: false, pausedUntilMs: 0, waiting: [], timer: undefined };
      this.#lanes.set(participant, lane);
    }
    return lane;
  }
}
