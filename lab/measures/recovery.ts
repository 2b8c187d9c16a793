/**
 * How long something took to come back, counted from the fault.
 * - `beyond`: not within what was observed. It is kept, as "more than the cap"; a run that never recovered is the worst one, not a missing one.
 * - `unmeasured`: nothing that was recorded tells. It is no zero.
 */
export type Recovery =
  | { readonly kind: "recovered"; readonly ms: number }
  | { readonly kind: "beyond"; readonly capMs: number }
  | { readonly kind: "unmeasured"; readonly because: string };

export type Measured = Exclude<Recovery, { readonly kind: "unmeasured" }>;

/** From `fromMs`, included, to `toMs`, not included. */
export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

export function isMeasured(recovery: Recovery): recovery is Measured {
  return recovery.kind !== "unmeasured";
}

/** Shorter first. What went beyond its cap is after everything that recovered, whatever the cap. */
export function byLength(one: Measured, other: Measured): number {
  if (one.kind === other.kind) return atLeastMs(one) - atLeastMs(other);
  return one.kind === "recovered" ? -1 : 1;
}

/** What is known of it for sure. */
export function atLeastMs(recovery: Measured): number {
  return recovery.kind === "recovered" ? recovery.ms : recovery.capMs;
}

/**
 * The moment when the last of several parts was back. One that went beyond makes the whole go beyond, at least by the longest part;
 * otherwise one that was not measured leaves the whole unmeasured, by its name.
 */
export function latestOf(parts: Readonly<Record<string, Recovery>>): Recovery {
  const all = Object.entries(parts);
  const measured = all.map(([, part]) => part).filter(isMeasured);
  const longestMs = Math.max(0, ...measured.map(atLeastMs));
  if (measured.some(({ kind }) => kind === "beyond")) return { kind: "beyond", capMs: longestMs };
  for (const [name, part] of all) {
    if (part.kind === "unmeasured") return { kind: "unmeasured", because: `${name}: ${part.because}` };
  }
  return { kind: "recovered", ms: longestMs };
}
