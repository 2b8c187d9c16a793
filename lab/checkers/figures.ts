/** What a table shows of the verdicts. A figure whose judge could not judge is `null`: not known, and no zero. */
import type { Counts, Verdict } from "./checker.ts";

export interface Lost {
  readonly operations: number;
  readonly units: number;
  readonly cents: number;
  /** When the client got the oldest answer that was not kept. */
  readonly oldestAtMs: number | null;
}

export interface Figures {
  /** In units; everything else but `lost` in orders, requests or messages. */
  readonly oversold: number | null;
  readonly lost: Lost | null;
  readonly duplicated: number | null;
  readonly phantom: number | null;
  readonly torn: number | null;
  readonly stuck: number | null;
  readonly unresolved: number | null;
}

export function figuresOf(verdicts: readonly Verdict[]): Figures {
  const countsOf = (checker: string): Counts | null => {
    const found = verdicts.find((verdict) => verdict.checker === checker);
    return found === undefined || found.verdict === "unknown" || found.verdict === "not-applicable" ? null : found.counts;
  };
  const violations = (checker: string): number | null => countsOf(checker)?.violations ?? null;
  const stock = countsOf("no-oversell");
  const lost = countsOf("lost");
  const [effects, requests] = [violations("duplicated"), violations("one-order-per-request")];
  return {
    oversold: stock === null ? null : (stock.kinds["oversold"]?.units ?? 0),
    lost: lost === null ? null : { operations: lost.violations, units: lost.units, cents: lost.cents, oldestAtMs: lost.oldestAtMs },
    duplicated: effects === null || requests === null ? null : effects + requests,
    phantom: violations("phantom"),
    torn: violations("torn"),
    stuck: violations("nothing-stuck"),
    unresolved: violations("unresolved"),
  };
}
