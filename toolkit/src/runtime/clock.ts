import { randomUUID } from "node:crypto";

/** Time, chance and turns: the only way in which the runtime touches any of them, so that a simulator can own all three. */
export interface Clock {
  /** Monotonic milliseconds of this process. Every duration is measured with it; no two machines' clocks are compared. */
  nowMs(): number;
  /** Unix milliseconds: for `notAfter` and for what people read. */
  wallMs(): number;
  /** Runs `then` after `ms`; returns how to call it off. */
  after(ms: number, then: () => void): () => void;
  /** Runs `then` in a macrotask of its own, after everything that is already queued. */
  turn(then: () => void): void;
  /** In [0, 1). */
  random(): number;
  uuid(): string;
}

const TIMER_MS_MAX = 2_147_483_647;

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, then) {
    const timer = setTimeout(then, Math.min(Math.max(ms, 0), TIMER_MS_MAX));
    return () => clearTimeout(timer);
  },
  turn(then) {
    setImmediate(then);
  },
  random: () => Math.random(),
  uuid: () => randomUUID(),
};

/** A UUIDv7 (RFC 9562): ordered by time for readers and indexes, unique by its 74 random bits, never reused as a sequence may be. */
export function uuidV7(clock: Clock): string {
  const random = clock.uuid();
  const time = Math.floor(clock.wallMs()).toString(16).padStart(12, "0").slice(-12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
