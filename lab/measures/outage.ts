import type { Interval } from "./recovery.ts";

/** One trivial operation on a dependency. Hung is failed: its prober must give up on it. */
export interface Probed {
  readonly fromMs: number;
  readonly toMs: number;
  readonly ok: boolean;
}

export type Outage =
  | {
      readonly kind: "measured";
      readonly downMs: number;
      /** The last probe succeeded. */
      readonly ended: boolean;
    }
  | { readonly kind: "unmeasured" };

/** From the start of each failed probe to the next success's answer; the last one to the end of the observation where no success came. */
export function downIn(probes: readonly Probed[], untilMs: number): readonly Interval[] {
  const down: Interval[] = [];
  let sinceMs: number | undefined;
  for (const { fromMs, toMs, ok } of probes.toSorted((one, other) => one.fromMs - other.fromMs)) {
    // Two probes that overlap must not count the same time twice.
    if (!ok) sinceMs ??= Math.max(fromMs, down.at(-1)?.toMs ?? fromMs);
    else if (sinceMs !== undefined) {
      if (toMs > sinceMs) down.push({ fromMs: sinceMs, toMs });
      sinceMs = undefined;
    }
  }
  return sinceMs === undefined || sinceMs >= untilMs ? down : [...down, { fromMs: sinceMs, toMs: untilMs }];
}

/**
 * For how long within the interval the dependency was down: from the start of a failed probe to the next success's answer. The first
 * failure is noticed up to one pause between probes too late and so is the recovery, which in the mean cancels out.
 */
export function outageOf(probes: readonly Probed[], during: Interval): Outage {
  const seen = probes.filter(({ fromMs, toMs }) => toMs >= during.fromMs && fromMs < during.toMs);
  if (seen.length === 0) return { kind: "unmeasured" };
  const down = downIn(probes, Infinity);
  const downMs = down.reduce((sum, { fromMs, toMs }) => sum + Math.max(0, Math.min(toMs, during.toMs) - Math.max(fromMs, during.fromMs)), 0);
  return { kind: "measured", downMs, ended: down.at(-1)?.toMs !== Infinity };
}
