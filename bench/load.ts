import { percentile } from "./statistics.ts";

/** How long one level of load is kept up. */
export interface LoadShape {
  /** Operations kept open at the same time, each in its own worker: 1 or more. */
  inFlight: number;
  warmUpMs: number;
  measureMs: number;
  /** A level that needs longer than this in all is given up with an error. Default: 90 s. */
  limitMs?: number;
}

/** What one level of load came to; latencies from start to result. */
export interface LoadFigures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** One operation, started again by its worker as soon as it ends. Workers count from 0. */
export type Operation = (worker: number) => Promise<unknown>;

/**
 * Closed loop: `inFlight` workers, each with one operation open at any time.
 *
 * A slow engine with many in flight answers in waves (2,000 open at 260/s: nothing for 7 s, then all of
 * them), so time alone does not bound a window fairly: the warm-up also waits for one wave, the measurement
 * for two. One failed operation fails the level: a rate with errors in it is no rate.
 */
export async function measureLoad(shape: LoadShape, operation: Operation): Promise<LoadFigures> {
  const { inFlight, warmUpMs, measureMs, limitMs = 90_000 } = shape;
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  let warmUps = 0;
  let windowOpenedAt: number | undefined;
  let windowClosedAt: number | undefined;
  let failure: Error | undefined;

  /** Accounts for one operation that ended now. */
  const ended = (tookMs: number): void => {
    const now = performance.now();
    if (windowOpenedAt === undefined) {
      warmUps += 1;
      if (warmUps >= inFlight && now - startedAt >= warmUpMs) windowOpenedAt = now;
      return;
    }
    if (windowClosedAt !== undefined) return;
    latenciesMs.push(tookMs);
    if (latenciesMs.length >= 2 * inFlight && now - windowOpenedAt >= measureMs) windowClosedAt = now;
  };

  const work = async (worker: number): Promise<void> => {
    while (windowClosedAt === undefined && failure === undefined) {
      const begunAt = performance.now();
      if (begunAt - startedAt > limitMs) failure ??= new Error(`not done after ${limitMs} ms at ${inFlight} in flight`);
      try {
        await operation(worker);
        ended(performance.now() - begunAt);
      } catch (error) {
        failure ??= error instanceof Error ? error : new Error(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, worker) => work(worker)));

  if (failure !== undefined) throw failure;
  if (windowOpenedAt === undefined || windowClosedAt === undefined) throw new Error("the load ended before its window closed");
  latenciesMs.sort((a, b) => a - b);
  return {
    perSecond: latenciesMs.length / ((windowClosedAt - windowOpenedAt) / 1000),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}
