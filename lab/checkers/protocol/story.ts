/** A transaction's entries, and what they tell of its branches. */
import type { EntryRow, JournalEvent, Op, TransactionRow } from "../checker.ts";

export interface Branch {
  readonly name: string;
  readonly offer: JournalEvent["offer"];
  readonly undo: JournalEvent["undo"];
  /** The places, in the order of the journal, at which an op's end was written down. */
  readonly done: ReadonlyMap<Op, number>;
  readonly refused: boolean;
  /** An attempt had ended unseen. */
  readonly attempted: boolean;
}

export interface Story {
  /** In the order in which they were begun. */
  readonly branches: readonly Branch[];
  /** A person had a word in it: what it came to is his. */
  readonly byPerson: boolean;
  /** It changed hands: what was in flight then was written down by nobody. */
  readonly takenOver: boolean;
}

/** And nothing else: a yes that was heard before it stands. */
export function saidNo({ refused, done }: Branch): boolean {
  return refused && !done.has("action") && !done.has("try");
}

export function byGid<Row extends { readonly gid: string }>(rows: readonly Row[]): Map<string, Row[]> {
  return Map.groupBy(rows, ({ gid }) => gid);
}

export const hasEnded = ({ status }: TransactionRow): boolean => status === "committed" || status === "rolled-back" || status === "mixed" || status === "never-started";

type Told = { -readonly [Part in keyof Branch]: Branch[Part] } & { readonly done: Map<Op, number> };

/** In the order of their numbers. */
export function storyOf(entries: readonly EntryRow[]): Story {
  const branches = new Map<string, Told>();
  let byPerson = false;
  let place = 0;
  for (const { events } of entries) {
    for (const { kind, branch, op, offer, undo } of events) {
      place += 1;
      byPerson ||= kind === "operator-decided" || kind === "parked";
      if (branch === null) continue;
      if (kind === "registered") branches.set(branch, { name: branch, offer, undo, done: new Map(), refused: false, attempted: false });
      const told = branches.get(branch);
      if (told === undefined) continue;
      if (kind === "done" && op !== null) told.done.set(op, place);
      else if (kind === "refused") told.refused = true;
      else if (kind === "attempted") told.attempted = true;
    }
  }
  // Of the first entry the epoch is not kept.
  const epochs = new Set(entries.filter(({ seq }) => seq > 1).map(({ epoch }) => epoch));
  return { branches: [...branches.values()], byPerson, takenOver: epochs.size > 1 };
}
