/** When a client's answers were good again, and stayed so. */
import type { Interval, Recovery } from "../measures/recovery.ts";
import { overWindows, windowStarts } from "../measures/windows.ts";

/** One question, on one monotonic clock. */
export interface Question {
  /** When it was meant to be asked. */
  readonly atMs: number;
  /** When its answer, or its failure, was there. */
  readonly doneMs: number;
  /** Undefined: it failed. */
  readonly ageMs: number | undefined;
}

/** As for goodput. An open breaker tries the stock with one question a second, and that one is late; it is no outage. */
const BAD_SHARE_MAX = 0.05;

/** An answer that comes too late for whoever waits is not good, however right it is. */
export function isGood({ atMs, doneMs, ageMs }: Question, goodWithinMs: number): boolean {
  return ageMs !== undefined && doneMs - atMs <= goodWithinMs;
}

/**
 * From the fault to the end of the last bad answer, whereby bad ones count where more than one in twenty of a second's questions is bad.
 * Counting answers in windows of a second, as for goodput, would not see an outage that is shorter than that; this does.
 * @param observed from the fault to the end of the questions
 */
export function answersRecovered(questions: readonly Question[], observed: Interval, goodWithinMs: number): Recovery {
  const asked = questions.filter(({ atMs }) => atMs >= observed.fromMs && atMs < observed.toMs);
  if (asked.length === 0) return { kind: "unmeasured", because: "nothing was asked after the fault" };
  const starts = windowStarts(observed);
  const bad = overWindows(asked, ({ atMs }) => atMs, starts, (within) => {
    const wrong = within.filter((question) => !isGood(question, goodWithinMs));
    // A second without a question proves nothing.
    return within.length === 0 || wrong.length > within.length * BAD_SHARE_MAX ? wrong : [];
  });
  if (starts.length === 0) return { kind: "unmeasured", because: "the observation is shorter than a second" };
  if ((bad.at(-1)?.length ?? 0) > 0) return { kind: "beyond", capMs: observed.toMs - observed.fromMs };
  const lastMs = bad.flat().reduce((latest, { doneMs }) => Math.max(latest, doneMs), observed.fromMs);
  return { kind: "recovered", ms: lastMs - observed.fromMs };
}
