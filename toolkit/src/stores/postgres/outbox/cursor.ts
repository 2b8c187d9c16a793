import { TripactError } from "../../../protocol/errors.ts";
import type { Cursor } from "../../outbox-log.ts";

/**
 * How far a lane is settled: everything that the snapshot `seen` sees and, in the middle of a backlog, what `upto` sees with a seq up to
 * `after`. `session` numbers the session in which it was read or claimed. A cursor in memory must not outlive that: a failover may
 * forget transactions that it has seen and give their ids to others, which would then count as settled. The stored one is safe, because
 * whoever has its commit has everything before it.
 */
export interface Position {
  readonly session: number;
  readonly seen: string;
  readonly upto?: { readonly snapshot: string; readonly after: string };
}

/** `xmin:xmax:xip,…` as Postgres writes a `pg_snapshot`; the ids as text, for they have 64 bits. */
export interface Snapshot {
  readonly xmax: string;
  /** In progress then, below xmax. */
  readonly running: readonly string[];
}

const SNAPSHOT = /^\d+:(\d+):((?:\d+(?:,\d+)*)?)$/;

/** Sees nothing: a subscription begins here. */
export const NOTHING_SEEN = "1:1:";

export function snapshotOf(text: string): Snapshot {
  const [, xmax, running] = SNAPSHOT.exec(text) ?? [];
  if (xmax === undefined || running === undefined) throw new TripactError("invalid-input", "This is no snapshot of Postgres.", { where: text });
  return { xmax, running: running === "" ? [] : running.split(",") };
}

/** True: whatever `a` sees, `b` sees as well. Snapshots of one server stand in one row, since commits become visible one after another. */
export function seesNoMore(a: string, b: string): boolean {
  const [first, second] = [snapshotOf(a), snapshotOf(b)];
  const [xmax, other] = [BigInt(first.xmax), BigInt(second.xmax)];
  return xmax < other || (xmax === other && first.running.length >= second.running.length);
}

export function cursorOf({ session, seen, upto }: Position): Cursor {
  return JSON.stringify(upto === undefined ? [session, seen] : [session, seen, upto.snapshot, upto.after]);
}

export function positionOf(cursor: Cursor): Position {
  const parts = JSON.parse(cursor) as readonly [number, string, string?, string?];
  const [session, seen, snapshot, after] = parts;
  return snapshot === undefined || after === undefined ? { session, seen } : { session, seen, upto: { snapshot, after } };
}
