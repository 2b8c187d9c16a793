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

const ASK_AGAIN_MIN_MS = 50;
const ASK_AGAIN_SHARE = 0.25;

/**
 * When to ask again whoever has not answered for `downMs`: a server that is gone, a receiver behind a breaker. After a quarter of that time, so that its return is
 * noticed a quarter of its absence later at most: to wait as long again would make a long outage of a short one. Some twenty questions in the first second and a half.
 */
export function askAgainInMs(downMs: number, capMs: number): number {
  return Math.min(capMs, Math.max(ASK_AGAIN_MIN_MS, downMs * ASK_AGAIN_SHARE));
}
