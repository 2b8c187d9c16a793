import type { Envelope } from "../brokers/broker.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Inbox } from "./inbox.ts";
import type { OpenTransaction } from "./transaction.ts";

/** The effect of one event, in the transaction that also remembers it. Throw `Refused` for one that will never be taken. */
export type ConsumeEvent = (db: SqlExecutor, event: Envelope) => Promise<unknown>;

/**
 * What to do with an event so that it counts once: a transaction of your own, the inbox's row in it, and the effect beside it.
 *
 *     receive: consume(pgTransactions(pool), postgresInbox(), "mailer", async (db, event) => {
 *       await queueMail(db, JSON.parse(event.payload));
 *     }),
 *
 * Resolves when effect and row are committed, or were by an earlier delivery. Whatever `effect` throws rolls both back and comes out: a
 * refused event that somebody asks for again is tried again. A commit whose reply was lost throws too; the next delivery finds out.
 */
export function consume(open: OpenTransaction, inbox: Inbox, consumer: string, effect: ConsumeEvent): (event: Envelope) => Promise<void> {
  return async (event) => {
    const { source, id } = event;
    await open((db) => inbox.once(db, { source, id, consumer }, () => effect(db, event)));
  };
}
