import { TripactError } from "../protocol/errors.ts";
import type { RetryPolicy } from "../protocol/retry.ts";
import { DEFAULTS, RETENTION } from "./defaults.ts";

type Widen<T> = T extends number ? number : T extends object ? { readonly [K in keyof T]: Widen<T[K]> } : T;
export type Retention = Widen<typeof RETENTION>;
/** All tunables of a coordinator, complete. See `defaults.ts` for what each is good for. */
export type Tuning = Omit<Widen<typeof DEFAULTS>, "retry"> & { readonly retry: RetryPolicy; readonly retention: Retention };
export type TuningOptions = Partial<Omit<Tuning, "retry" | "retention">> & { readonly retry?: Partial<RetryPolicy>; readonly retention?: Partial<Retention> };

/** What is counted: whole, and at least one. */
const COUNTS = ["batchMax", "batchBytesMax", "flushesMax", "overlapFrom", "claimSlice", "participantLimit", "breakerAfter", "pruneBatch", "forgetBatch"] as const;

/** Fills in the defaults and refuses what cannot work: unknown names, negative or non-finite numbers, a lease shorter than its beats, short retention. */
export function tune(options: TuningOptions = {}): Tuning {
  const { retry, retention, ...flat } = options;
  const tuning: Tuning = { ...DEFAULTS, ...flat, retry: { ...DEFAULTS.retry, ...retry }, retention: { ...RETENTION, ...retention } };
  for (const [name, value] of [...Object.entries(flat), ...Object.entries(tuning.retry), ...Object.entries(tuning.retention)]) {
    if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
      throw new TripactError("invalid-option", `${name} is a number, not negative; this is ${String(value)}.`, { where: name });
    }
  }
  for (const [given, known] of [[flat, DEFAULTS], [retry ?? {}, DEFAULTS.retry], [retention ?? {}, RETENTION]] as const) {
    for (const name of Object.keys(given)) demand(name in known, name, `an option that there is: ${Object.keys(known).join(", ")}`);
  }
  for (const name of COUNTS) demand(Number.isInteger(tuning[name]) && tuning[name] >= 1, name, "a whole number, at least 1");
  demand(tuning.leaseMs >= 2 * tuning.beatEveryMs, "leaseMs", `at least twice beatEveryMs (${tuning.beatEveryMs})`);
  demand(tuning.retry.maxAttempts >= 1, "retry.maxAttempts", "at least 1");
  demand(tuning.retry.factor >= 1, "retry.factor", "at least 1");
  demand(tuning.retention.barrierMs >= 2 * tuning.callLifeMs, "retention.barrierMs", `at least twice callLifeMs (${tuning.callLifeMs})`);
  demand(tuning.retention.headersMs >= tuning.retention.entriesMs, "retention.headersMs", `at least entriesMs (${tuning.retention.entriesMs})`);
  return tuning;
}

/** Checks a duration that a caller gave with one transaction or step. */
export function checkDuration(value: number | undefined, name: string, where: string): void {
  if (value === undefined || (typeof value === "number" && Number.isFinite(value) && value >= 0)) return;
  throw new TripactError("invalid-option", `${name} is a number of milliseconds, not negative; this is ${String(value)}.`, { where });
}

function demand(holds: boolean, name: string, need: string): void {
  if (!holds) throw new TripactError("invalid-option", `${name} must be ${need}.`, { where: name });
}
