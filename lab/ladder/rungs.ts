/** Four ways in which a caller can meet a stock that does not answer, each one more than the one before. */
import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, ExponentialBackoff, handleAll, handleWhen, retry, wrap } from "cockatiel";
import type { StockReader } from "./stock-reader.ts";

export const RUNG_NAMES = ["none", "retry", "breaker", "cache"] as const;
export type RungName = (typeof RUNG_NAMES)[number];

/** How many units are free, and how old that news is: 0 when it comes from the stock itself. */
export interface Answer {
  readonly free: number;
  readonly ageMs: number;
}

export interface Rung {
  readonly name: RungName;
  /** @throws when it has no answer. */
  ask(): Promise<Answer>;
}

const RETRIES_MAX = 3;
const BACKOFF = { initialDelay: 50, maxDelay: 800, exponent: 2 } as const;
const FAILURES_IN_A_ROW = 3;
const HALF_OPEN_AFTER_MS = 1_000;
/** As the source has it. */
const CACHE_TTL_MS = 30_000;

export const POLICY_SETTINGS = { retries: RETRIES_MAX, ...BACKOFF, breakerFailures: FAILURES_IN_A_ROW, halfOpenAfterMs: HALF_OPEN_AFTER_MS, cacheTtlMs: CACHE_TTL_MS } as const;

/** One of each, made anew for each run: a breaker and a cache remember. */
export function rungsOf(read: StockReader["free"], clockMs: () => number = () => performance.now()): readonly Rung[] {
  const fresh = async (): Promise<Answer> => ({ free: await read(), ageMs: 0 });
  const again = retrying();
  const broken = guarded();
  return [
    { name: "none", ask: fresh },
    { name: "retry", ask: () => again.execute(fresh) },
    { name: "breaker", ask: () => broken.policy.execute(fresh) },
    { name: "cache", ask: cached(guarded(), fresh, clockMs) },
  ];
}

/** An open breaker is no reason to ask again: it has just said that nobody is there. */
function retrying() {
  return retry(handleWhen((error) => !(error instanceof BrokenCircuitError)), { maxAttempts: RETRIES_MAX, backoff: new ExponentialBackoff(BACKOFF) });
}

/** Each try is counted by the breaker, not each question: it opens before the first question has used up its tries. */
function guarded() {
  const breaker = circuitBreaker(handleAll, { halfOpenAfter: HALF_OPEN_AFTER_MS, breaker: new ConsecutiveBreaker(FAILURES_IN_A_ROW) });
  return { breaker, policy: wrap(retrying(), breaker) };
}

function cached({ breaker, policy }: ReturnType<typeof guarded>, fresh: () => Promise<Answer>, clockMs: () => number): Rung["ask"] {
  let last: { readonly free: number; readonly atMs: number } | undefined;
  const known = (): Answer | undefined => {
    if (last === undefined) return undefined;
    const ageMs = clockMs() - last.atMs;
    return ageMs > CACHE_TTL_MS ? undefined : { free: last.free, ageMs };
  };
  const asked = async (): Promise<Answer> => {
    const answer = await policy.execute(fresh);
    last = { free: answer.free, atMs: clockMs() };
    return answer;
  };
  return async () => {
    const before = known();
    if (breaker.state !== CircuitState.Closed && before !== undefined) {
      // The stock is known to be away: nobody waits for the question by which the breaker finds out whether it is back.
      asked().catch(() => undefined);
      return before;
    }
    try {
      return await asked();
    } catch (error) {
      const answer = known();
      if (answer === undefined) throw error;
      return answer;
    }
  };
}
