import { TripactError } from "../protocol/errors.ts";
import type { TransactionEvent } from "../protocol/transaction.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Journal, LocalSql } from "../stores/store.ts";

/**
 * Local SQL on the memory store: the entry is written when the body is through, and `onDone` hears of each op that was committed. What
 * the body does with `db` is the caller's own; it is not rolled back here.
 */
export function memoryLocalSql(journal: Journal, db: SqlExecutor, onDone: (gid: string, event: Extract<TransactionEvent, { kind: "done" }>) => void): LocalSql {
  return {
    async run(owner, body, seal) {
      const result = await body(db);
      const { flushId, write } = seal(result);
      const [verdict = "fenced"] = await journal.write({ flushId, owner, writes: [write] });
      if (verdict === "applied") {
        for (const event of JSON.parse(write.entry) as TransactionEvent[]) if (event.kind === "done") onDone(write.gid, event);
      }
      return { verdict, result };
    },
    startIn: () => Promise.reject(new TripactError("not-supported", "The memory store has no SQL transaction to start in.")),
  };
}

/** Stands in for a database that a test did not give. */
export const NO_DATABASE: SqlExecutor = {
  execute: () => Promise.reject(new TripactError("not-supported", "This test has no database.", { hint: "Give `sql`, or an answer for the step in `given`." })),
};
