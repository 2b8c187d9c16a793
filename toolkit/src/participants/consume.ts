import type { Envelope } from "../brokers/broker.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { alone, guardedWhole } from "./guard.ts";
import type { Inbox } from "./inbox.ts";
import type { OpenTransaction } from "./transaction.ts";

/** The effect of one event, in the transaction that also remembers it. Throw `Refused` for one that will never be taken. */
export type ConsumeEvent = (db: SqlExecutor, event: Envelope) => Promise<unknown>;

export interface Consumer {
  (event: Envelope): Promise<void>;
  /** All of these in one transaction, with one statement of the inbox's, their effects in this order; or none of them. */
  together(events: readonly Envelope[]): Promise<void>;
}

/**
 * What to do with an event so that it counts once: a transaction of your own, the inbox's row in it, and the effect beside it.
 *
 *     receive: consume(pgTransactions(pool), postgresInbox(), "mailer", async (db, event) => {
 *       await queueMail(db, JSON.parse(event.payload));
 *     }),
 *
 * Resolves when effect and row are committed, or were by an earlier delivery. Whatever `effect` throws rolls both back and comes out: a
 * refused event that somebody asks for again is tried again. A commit whose reply was lost throws too; the next delivery finds out.
 *
 * Events that arrive in one request (`httpSink({ batches: true })`) share a transaction, and with it a commit. Then effects hold their locks until the
 * last one is through: two batches that meet at the same rows in another order may deadlock, are rolled back, and taken one by one.
 */
export function consume(open: OpenTransaction, inbox: Inbox, consumer: string, effect: ConsumeEvent): Consumer {
  // No savepoint, as `inbox.once` needs one: the transaction is ours, so what is thrown takes all of it back.
  const together = (events: readonly Envelope[]): Promise<void> =>
    open(async (db) => {
      const first = await inbox.first(db, consumer, events);
      const fresh = events.filter((_, index) => first[index] === true);
      if (fresh.length === 0) return;
      const what = `The function given to consume [${consumer} ${fresh.map(({ source, id }) => `${source} ${id}`).join(", ").slice(0, WHAT_LENGTH_MAX)}]`;
      await guardedWhole(db, what, async (own) => {
        for (const event of fresh) await alone(own, what, () => effect(own, event));
      });
    });

  return Object.assign((event: Envelope) => together([event]), { together });
}

const WHAT_LENGTH_MAX = 200;
