/** Exponential, full jitter, capped (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015). */
export interface RetryPolicy {
  readonly baseMs: number;
  readonly factor: number;
  readonly capMs: number;
  /** After this many unknown ends a forward op is spent (before the pivot: roll back); any other op turns `late`. */
  readonly maxAttempts: number;
}

/** `random` in [0, 1). `attempt` is 1 for the first that failed. */
export function retryDelayMs(policy: RetryPolicy, attempt: number, random: number): number {
  const ceilingMs = Math.min(policy.capMs, policy.baseMs * policy.factor ** Math.min(attempt - 1, 30));
  return Math.floor(random * ceilingMs);
}

const BREAKER_PAUSE_MIN_MS = 50;
const BREAKER_PAUSE_SHARE = 0.25;

/**
 * How long whoever has not answered for `downMs` is left in peace before one call tests the water: a quarter of that time, so that its
 * return is noticed a quarter of its absence later at most, and a short outage is not made a long one.
 */
export function breakerPauseMs(downMs: number, capMs: number): number {
  return Math.min(capMs, Math.max(BREAKER_PAUSE_MIN_MS, downMs * BREAKER_PAUSE_SHARE));
}
