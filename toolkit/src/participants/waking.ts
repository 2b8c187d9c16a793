/**
 * The wake-up after a commit. A notification inside the business transaction would serialise every commit of the database, so nobody sends
 * one there: each process sends one after the commit, for all commits of some milliseconds together. Whatever gets lost costs one
 * poll of the relay.
 */
import { hearingMessages, type SqlExecutor } from "../stores/sql.ts";
import type { OpenTransaction } from "./transaction.ts";

/** Tells relays that there is something new. `postgresWaker` does; a relay in this process does too. */
export interface Waker {
  /** Returns at once and never throws. Best effort: relays poll as well. */
  wake(): void;
  /**
   * Where it is there, it is asked with every transaction that is opened, and what it returns is called with that transaction's end, in place
   * of `wake`. Neither throws. A coordinator has it: what was started inside is driven from the commit on.
   */
  follow?(db: SqlExecutor): (end: "committed" | "rolled-back" | "unknown") => void;
}

/**
 * `open`, and after each commit that wrote to the outbox, `waker.wake()`:
 *
 *     const transaction = waking(pgTransactions(pool), waker);
 *     await transaction((db) => send(db, { topic: "order.placed", key, payload }));
 *
 * A rolled back transaction wakes nobody. A commit whose reply was lost does: it may have happened.
 */
export function waking(open: OpenTransaction, waker: Waker): OpenTransaction {
  return async (work) => {
    let wrote = false;
    let ended = false;
    let tell: ReturnType<NonNullable<Waker["follow"]>> | undefined;
    try {
      const result = await open(async (opened) => {
        const db = hearingMessages(opened, () => void (wrote = true));
        // Whoever opens them may do the work again, in another one.
        tell?.("unknown");
        ended = false;
        tell = waker.follow?.(db);
        const worked = await work(db);
        ended = true;
        return worked;
      });
      tell?.("committed");
      return result;
    } catch (error) {
      tell?.(ended ? "unknown" : "rolled-back");
      throw error;
    } finally {
      if (wrote && ended && tell === undefined) waker.wake();
    }
  };
}
