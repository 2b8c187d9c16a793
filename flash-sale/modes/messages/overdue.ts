/** Orders whose payment window has passed, where no coordinator has a timer for each. */
import type { OpenTransaction } from "tripact/barrier";
import { overdue } from "../../orders/ledger.ts";

/** A round's share; both workers sweep, every half second. */
const AT_ONCE = 200;
const SIDE_BY_SIDE = 8;

/**
 * Calls `expire` for orders that are overdue, the oldest first, each in a transaction of its own: two workers that meet at many rows in one
 * transaction each would wait for each other. The other worker may come first, so `expire` is guarded. Throws the first failure after it
 * has gone on with the rest.
 */
export async function eachOverdue(open: OpenTransaction, expire: (orderId: string) => Promise<void>): Promise<void> {
  const orderIds = [...(await open((db) => overdue(db, AT_ONCE)))];
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let orderId = orderIds.shift(); orderId !== undefined; orderId = orderIds.shift()) {
      await expire(orderId).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  if (failures.length > 0) throw new Error(`${failures.length} overdue orders could not be expired`, { cause: failures[0] });
}
