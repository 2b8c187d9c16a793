import { textOf } from "../../protocol/errors.ts";
import { refuseIsolation } from "../../participants/guard.ts";
import { pgTransactions, type OpenTransaction, type PgPool } from "../../participants/transaction.ts";
import type { OutboxLog } from "../../stores/outbox-log.ts";
import { ORIGIN, type Broker, type Envelope, type Receipt, type SinkFeatures } from "../broker.ts";
import { Deliveries } from "./deliveries.ts";

export interface PostgresBrokerOptions {
  /** The broker's database, where `migrate` and `migrateBarrier` have been. */
  readonly database: PgPool | OpenTransaction;
  /** The same database's log, which subscriptions read: `postgresOutboxLog({ url })`. */
  readonly log: OutboxLog;
  readonly batchMax?: number;
}

/**
 * A Postgres as broker between databases: messages are copied into its log, each once, and named subscriptions read them there, each at
 * its own pace. (Within one database nothing is copied: subscriptions read the sender's outbox itself.)
 */
export function postgresBroker({ database, log, batchMax = 500 }: PostgresBrokerOptions): Broker {
  const deliveries = new Deliveries("postgres broker", batchMax);
  const open = typeof database === "function" ? database : pgTransactions(database);
  const features: SinkFeatures = { name: "postgres", persistent: true, ordered: true, deduplicates: true, batchMax };
  return {
    features,
    log,
    deliver: (messages, signal) =>
      deliveries.run(messages, signal, async (): Promise<readonly Receipt[]> => {
        try {
          await publish(open, messages);
          log.announce();
          return messages.map(() => ({ kind: "done" }));
        } catch (error) {
          return messages.map(() => ({ kind: "unknown", error: textOf(error) }));
        }
      }),
    close: async () => {
      await deliveries.close();
      await log.close();
    },
  };
}

/** One statement: what the inbox knows already is not copied again. Order is kept, for one relay at a time hands us a key. */
async function publish(open: OpenTransaction, messages: readonly Envelope[]): Promise<void> {
  await open(async (db) => {
    const { rows } = await db.execute(
      `with given as (
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality as m (id, source, topic, key, payload, headers, n)
       ), fresh as (
         insert into tripact.inbox (consumer, source, id) select 'tripact broker', source, id::text from given order by source, id
         on conflict do nothing returning source, id
       ), copied as (
         insert into tripact.outbox (id, topic, key, payload, headers)
         select g.id, g.topic, g.key, g.payload, g.headers from given g join fresh f on f.source = g.source and f.id = g.id::text order by g.n
       )
       select current_setting('transaction_isolation') as isolation`,
      [
        messages.map(({ id }) => id),
        messages.map(({ source }) => source),
        messages.map(({ topic }) => topic),
        messages.map(({ key }) => key),
        messages.map(({ payload }) => payload),
        messages.map(({ headers, source }) => JSON.stringify({ ...headers, [ORIGIN]: source })),
      ],
    );
    refuseIsolation(rows[0]?.isolation, "postgres broker");
  });
}
