/** What else the lab has looked at, beside its cells. A view is measured as a whole: a later one takes the place of an earlier one. */
import type { DurationSummary } from "./durations.ts";

export const VIEW_NAMES = ["selftest", "profile", "wal", "ladder"] as const;
export type ViewName = (typeof VIEW_NAMES)[number];

interface Measured {
  /** When it was over, as ISO 8601. */
  readonly measuredAt: string;
  readonly seed: number;
}

/** A rung of the resilience ladder: what a client does about a partition. */
export interface Rung {
  readonly policy: string;
  readonly rtoMs: DurationSummary;
  /** After the partition's end, in the order of the runs; null where it did not recover. */
  readonly afterHealMs: readonly (number | null)[];
  /** Share of good answers during the partition, in the worst run. */
  readonly goodDuring: number;
  /** Of the oldest answer. */
  readonly oldestMs: number;
  readonly source: { readonly ms: number; readonly atLeast: boolean };
  readonly targetMs: number | null;
}

export interface LadderView extends Measured {
  readonly partitionsMs: readonly number[];
  readonly timeoutMs: number;
  readonly goodWithinMs: number;
  readonly rungs: readonly Rung[];
}

export interface Delays {
  readonly n: number;
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  /** How many took at most that long and longer than the line before; the last is without a limit (null). */
  readonly histogram: readonly { readonly upToMs: number | null; readonly n: number }[];
}

export interface WalView extends Measured {
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly sent: number;
  readonly missing: number;
  readonly unseen: number;
  readonly notStreamed: number;
  /** `applied`: from the message's commit to its effect's. `committed`: from the row's time to its commit, the source's measure. */
  readonly phases: readonly { readonly phase: string; readonly applied: Delays; readonly committed: Delays }[];
}

export interface OwnTime {
  readonly name: string;
  readonly ms: number;
  /** Of the time in which the processor was not idle. */
  readonly share: number;
}

export interface ProfileView extends Measured {
  readonly mode: string;
  readonly compensations: number;
  readonly latencyMs: { readonly p50: number | null; readonly p99: number | null; readonly max: number | null };
  readonly gc: { readonly pauses: number; readonly totalMs: number; readonly maxMs: number };
  readonly loopMaxMs: number;
  readonly allocatedBytesEach: number | null;
  /** The slowest compensations, and what the workers did meanwhile. */
  readonly slowest: readonly { readonly ms: number; readonly gcMs: number; readonly loopMaxMs: number }[];
  readonly busyMs: number;
  readonly idleMs: number;
  readonly functions: readonly OwnTime[];
  readonly groups: readonly OwnTime[];
  /** Names of the `.cpuprofile` files. */
  readonly files: readonly string[];
}

/** A variant that was broken on purpose, and its right twin. */
export interface Detection {
  readonly variant: string;
  readonly wrong: string;
  readonly caught: boolean;
  readonly by: readonly string[];
  /** How many it took; null: all were not enough. */
  readonly seedsUntilCaught: number | null;
  readonly rightRuns: number;
  /** Who did not find the right twin in order. */
  readonly rightObjections: readonly string[];
}

export interface SelftestView extends Measured {
  readonly seeds: number;
  readonly detection: readonly Detection[];
}

/** Null: nobody has looked. */
export interface Views {
  readonly selftest: SelftestView | null;
  readonly profile: ProfileView | null;
  readonly wal: WalView | null;
  readonly ladder: LadderView | null;
}

export const NO_VIEWS: Views = { selftest: null, profile: null, wal: null, ladder: null };

export function laterViews(earlier: Views, later: Partial<Views>): Views {
  return {
    selftest: later.selftest ?? earlier.selftest,
    profile: later.profile ?? earlier.profile,
    wal: later.wal ?? earlier.wal,
    ladder: later.ladder ?? earlier.ladder,
  };
}
