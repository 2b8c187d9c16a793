import type { OpenTransaction } from "tripact/barrier";

/** Of all that change many rows of one database in one transaction, in any process. */
const TURN = 0x5a1e;

/**
 * One of these transactions after the other. Two batches of messages at once, or a batch and whoever else takes several rows, change the same
 * few rows, each in an order of its own: they wait for each other until the database ends one of them a second later, and all is done again.
 */
export function inTurn(open: OpenTransaction): OpenTransaction {
  return (work) =>
    open(async (db) => {
      await db.execute("select pg_advisory_xact_lock($1)", [TURN]);
      return work(db);
    });
}
