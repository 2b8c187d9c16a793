import type { Fault } from "./goodput.ts";
import type { Interval, Recovery } from "./recovery.ts";
import { spreadOf, type Spread } from "./statistics.ts";

export interface Transaction {
  readonly key: string;
  readonly openedMs: number;
  /** When it came to a terminal state; null: it has not. Parked is not terminal. */
  readonly endedMs: number | null;
}

/** How much of something there was at one moment: messages that wait, transactions that are overdue, invariants that are broken. */
export interface Level {
  readonly atMs: number;
  readonly level: number;
}

/** Many times what one takes that nothing holds up: in good health there is none, so that two healthy stretches have the same. */
export const OVERDUE_MS = 1_000;
/** How many have been open for longer than `OVERDUE_MS`: at both ends of the time, and whenever that changes in it. */
export function overdueLevels(transactions: readonly Transaction[], { fromMs, toMs }: Interval): readonly Level[] {
  const changes = transactions.flatMap(({ openedMs, endedMs }) => {
    const sinceMs = openedMs + OVERDUE_MS;
    if (endedMs === null) return [{ atMs: sinceMs, by: 1 }];
    return endedMs <= sinceMs ? [] : [{ atMs: sinceMs, by: 1 }, { atMs: endedMs, by: -1 }];
  });
  const before = changes.filter(({ atMs }) => atMs <= fromMs).reduce((sum, { by }) => sum + by, 0);
  const levels: Level[] = [{ atMs: fromMs, level: before }];
  for (const { atMs, by } of changes.filter((change) => change.atMs > fromMs && change.atMs <= toMs).toSorted((one, other) => one.atMs - other.atMs || one.by - other.by)) {
    const level = (levels.at(-1)?.level ?? 0) + by;
    levels.push({ atMs, level });
  }
  levels.push({ atMs: toMs, level: levels.at(-1)?.level ?? 0 });
  return levels;
}

export interface OpenAtFault {
  readonly open: number;
  /** From the fault to the end, of those that ended; none where none did. */
  readonly endedMs?: Spread;
  /** Those that did not end while they were observed: not a number of milliseconds. */
  readonly stuck: readonly string[];
  /** When the last one ended; 0 where none was open. */
  readonly recovery: Recovery;
}

/** What became of the transactions that the fault found open. One that ended at that very moment was not. Null: nobody knows of any. */
export function openAtFault(transactions: readonly Transaction[] | null, fault: Fault, untilMs: number): OpenAtFault {
  if (transactions === null) return { open: 0, stuck: [], recovery: { kind: "unmeasured", because: "the databases could not be read" } };
  const open = transactions.filter(({ openedMs, endedMs }) => openedMs <= fault.fromMs && (endedMs === null || endedMs > fault.fromMs));
  const tooLate = (endedMs: number | null): endedMs is null => endedMs === null || endedMs > untilMs;
  const stuck = open.filter(({ endedMs }) => tooLate(endedMs)).map(({ key }) => key);
  const durations = open.flatMap(({ endedMs }) => (tooLate(endedMs) ? [] : [endedMs - fault.fromMs]));
  const ended = spreadOf(durations);
  const recovery: Recovery =
    stuck.length > 0 ? { kind: "beyond", capMs: untilMs - fault.fromMs } : { kind: "recovered", ms: ended?.max ?? 0 };
  return { open: open.length, ...(ended === undefined ? {} : { endedMs: ended }), stuck, recovery };
}
