/**
 * The wake-up after a commit. A notification inside the business transaction would serialise every commit of the database, so nobody sends
 * one there: each process sends one after the commit, for all commits of some milliseconds together. Whatever gets lost costs one
 * poll of the relay.
 */
import { hearingMessages } from "../stores/sql.ts";
import type { OpenTransaction } from "./transaction.ts";

/** Tells relays that there is something new. `postgresWaker` does; a relay in this process does too. */
export interface Waker {
  /** Returns at once and never throws. Best effort: relays poll as well. */
  wake(): void;
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
    try {
      return await open(async (db) => {
        const result = await work(hearingMessages(db, () => void (wrote = true)));
        ended = true;
        return result;
      });
    } finally {
      if (wrote && ended) waker.wake();
    }
  };
}
