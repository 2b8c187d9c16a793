import { systemClock, type Clock } from "../../src/runtime/clock.ts";

export interface HandClock {
  readonly clock: Clock;
  /** To this moment, each timer in its turn, and whatever follows from it before the next. */
  readonly goTo: (untilMs: number) => Promise<void>;
}

/** For tests: time that moves when the test says so. */
export function handClock(): HandClock {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    clock: {
      ...systemClock,
      nowMs: () => nowMs,
      after(ms, run) {
        const timer = { atMs: nowMs + ms, run };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    },
    async goTo(untilMs) {
      for (;;) {
        // What hangs on promises, and then on turns, is through.
        for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        const next = [...timers].toSorted((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
      }
      nowMs = untilMs;
    },
  };
}
