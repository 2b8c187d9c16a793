import type { Fault } from "./goodput.ts";
import type { Recovery } from "./recovery.ts";
import { spreadOf, type Spread } from "./statistics.ts";

export interface Transaction {
  readonly key: string;
  readonly openedMs: number;
  /** When it came to a terminal state; null: it has not. Parked is not terminal. */
  readonly endedMs: number | null;
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

/** What became of the transactions that the fault found open. One that ended at that very moment was not. */
export function openAtFault(transactions: readonly Transaction[], fault: Fault, untilMs: number): OpenAtFault {
  const open = transactions.filter(({ openedMs, endedMs }) => openedMs <= fault.fromMs && (endedMs === null || endedMs > fault.fromMs));
  const tooLate = (endedMs: number | null): endedMs is null => endedMs === null || endedMs > untilMs;
  const stuck = open.filter(({ endedMs }) => tooLate(endedMs)).map(({ key }) => key);
  const durations = open.flatMap(({ endedMs }) => (tooLate(endedMs) ? [] : [endedMs - fault.fromMs]));
  const ended = spreadOf(durations);
  const recovery: Recovery =
    stuck.length > 0 ? { kind: "beyond", capMs: untilMs - fault.fromMs } : { kind: "recovered", ms: ended?.max ?? 0 };
  return { open: open.length, ...(ended === undefined ? {} : { endedMs: ended }), stuck, recovery };
}
