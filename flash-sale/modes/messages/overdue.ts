/** Orders whose payment window has passed, where no coordinator has a timer for each. */
import type { OpenTransaction } from "tripact/barrier";
import { overdueAfter, type Overdue } from "../../orders/ledger.ts";

/** A round's share; both workers sweep, every half second. */
const AT_ONCE = 200;
const SIDE_BY_SIDE = 8;

/** Where a worker's rounds have come to. Those that cannot end now are passed by, and do not keep the others from their turn. */
export interface Turn {
  after: Overdue | undefined;
}

export function newTurn(): Turn {
  return { after: undefined };
}

/**
 * Calls `expire` for orders that are overdue, the oldest first and then on from where the last round ended, each in a transaction of its own: two workers that meet at many rows in one
 * transaction each would wait for each other. The other worker may come first, so `expire` is guarded. Throws the first failure after it
 * has gone on with the rest.
 */
export async function eachOverdue(open: OpenTransaction, turn: Turn, expire: (orderId: string) => Promise<void>): Promise<void> {
  const found = await open((db) => overdueAfter(db, turn.after, AT_ONCE));
  turn.after = found.length < AT_ONCE ? undefined : found.at(-1);
  const orderIds = found.map(({ orderId }) => orderId);
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let orderId = orderIds.shift(); orderId !== undefined; orderId = orderIds.shift()) {
      await expire(orderId).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  if (failures.length > 0) throw new Error(`${failures.length} overdue orders could not be expired`, { cause: failures[0] });
}
