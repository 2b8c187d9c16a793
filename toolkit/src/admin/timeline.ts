/** One transaction as its journal tells it, folded by the same `evolve` that runs it live. Pure. */
import { textOf } from "../protocol/errors.ts";
import { evolve } from "../protocol/evolve.ts";
import { hasEnded, UNBORN, type EventKind, type Transaction, type TransactionEvent } from "../protocol/transaction.ts";
import { systemClock } from "../runtime/clock.ts";
import { outcomeOfRecord } from "../runtime/reading.ts";
import { report, type BranchReport, type TransactionOutcome } from "../runtime/outcome.ts";
import type { JournalEntry, JournalRecord, Status } from "../stores/store.ts";
import type { Nodes } from "./nodes.ts";
import { plain, wordsOf } from "./wording.ts";

export interface TimelineLine {
  /** Since the start, by the database's clock. */
  readonly sinceStartMs: number;
  /** The journal's entry; several lines of one entry were committed together. */
  readonly seq: number;
  readonly epoch: number;
  /** The node that wrote it. */
  readonly by: string;
  readonly kind: EventKind | "ended";
  readonly branch?: string;
  readonly text: string;
}

export interface Timeline {
  readonly gid: string;
  readonly definition: string;
  readonly version: string;
  readonly status: Status;
  readonly parked?: string;
  readonly late: boolean;
  /** Unix milliseconds by the database's clock. */
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  /** Who drives it; absent once it has ended. */
  readonly owner?: string;
  readonly epoch: number;
  /** Requests that the owner has not taken up yet. */
  readonly unread: number;
  readonly outcome: TransactionOutcome;
  readonly branches: readonly BranchReport[];
  readonly lines: readonly TimelineLine[];
  /** Why this is not the whole story. */
  readonly incomplete?: string;
}

export function timelineOf(record: JournalRecord, nodes: Nodes): Timeline {
  const { state, lines, problem } = fold(record, nodes);
  const incomplete = problem ?? (record.entries.length === 0 && record.summary.status !== "never-started" ? "its entries were pruned; the outcome is kept" : undefined);
  return {
    gid: record.gid,
    definition: record.definition,
    version: record.version,
    status: record.summary.status,
    ...(record.summary.parked === undefined ? {} : { parked: record.summary.parked }),
    late: record.summary.late,
    startedAtMs: record.startedAtMs,
    updatedAtMs: record.updatedAtMs,
    ...(record.summary.ended ? {} : { owner: nodes.nameOf(record.owner) }),
    epoch: record.epoch,
    unread: record.unread.length,
    outcome: outcomeOfRecord(record, { clock: systemClock, notify: () => undefined }),
    branches: state.kind === "unborn" ? [] : state.branches.map(report),
    lines,
    ...(incomplete === undefined ? {} : { incomplete }),
  };
}

/** The state that the journal leads to, or how far this code can read it. */
export function stateOf(record: JournalRecord): Transaction {
  return fold(record, undefined).state;
}

interface Folded {
  readonly state: Transaction;
  readonly lines: readonly TimelineLine[];
  readonly problem?: string;
}

function fold(record: JournalRecord, nodes: Nodes | undefined): Folded {
  const lines: TimelineLine[] = [];
  let state: Transaction = UNBORN;
  for (const entry of record.entries) {
    const at = { sinceStartMs: Math.max(entry.recordedAtMs - record.startedAtMs, 0), seq: entry.seq, epoch: entry.epoch, by: nodes?.nameOf(entry.owner) ?? "" };
    try {
      for (const event of eventsIn(entry)) {
        const before: Transaction = state;
        state = evolve(before, event, entry.recordedAtMs);
        if (nodes === undefined) continue;
        const branch = "branch" in event ? event.branch : undefined;
        lines.push({ ...at, kind: event.kind, ...(branch === undefined ? {} : { branch }), text: wordsOf(event, before) });
        if (hasEnded(state) && !hasEnded(before)) lines.push({ ...at, kind: "ended", text: state.kind.toUpperCase() });
      }
    } catch (error) {
      // A journal of another release, or damage: what can be read is shown, and where it ends is said.
      return { state, lines, problem: `entry ${entry.seq} cannot be read by this release: ${plain(textOf(error))}` };
    }
  }
  return { state, lines };
}

/** An entry is a JSON array of protocol events; `evolve` refuses what it does not know. */
function eventsIn(entry: JournalEntry): readonly TransactionEvent[] {
  return JSON.parse(entry.entry) as readonly TransactionEvent[];
}
