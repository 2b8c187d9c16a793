/** Times as they are written: a run that never came back is not left out, and has no number. */

/** A number of milliseconds, or "more than was observed". */
export type Duration = number | { readonly beyondMs: number };

/** What one run says. */
export type RunDuration = Duration | { readonly unmeasured: string };

export interface DurationSummary {
  /** Runs in which it was measured. */
  readonly n: number;
  readonly median: Duration | null;
  /** Encloses the true median with 95 % confidence at least; null below 6 runs. */
  readonly medianBetween: { readonly low: Duration; readonly high: Duration } | null;
  /** Null below 60 runs. */
  readonly p95: Duration | null;
  readonly max: Duration | null;
  readonly all: readonly RunDuration[];
}
