/** The clock of a history: milliseconds since its zero, on the monotonic clock that all processes of a machine share. */
import { round } from "./latency.ts";

export interface Clock {
  readonly originMs: number;
  readonly unixMs: number;
  now(): number;
}

export function startClock(): Clock {
  const originMs = machineMs();
  const unixMs = Date.now();
  // Cheaper than hrtime, and the same clock; only its zero is the process's start.
  const zero = performance.now() - (machineMs() - originMs);
  return { originMs: round(originMs), unixMs, now: () => round(performance.now() - zero) };
}

/** What a parent measures a fault with. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1_000_000;
}
