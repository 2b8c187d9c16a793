import { Pool } from "pg";
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { postgresWaker, send } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import { createRelay, postgresConsumer, postgresOutboxLog } from "tripact/relay";
import type { Received, Sink } from "tripact/relay";
import { runOutboxSystem } from "./runner.ts";
import { applyEffects } from "./shop.ts";
import type { Applied, OutboxSystem, ShopMessage } from "./system.ts";

const topic = "order.placed";

/** Our outbox, relay and Postgres consumer, all with their defaults. */
const ours: OutboxSystem = {
  async install(url) {
    await migrate(url);
    const pool = new Pool({ connectionString: url });
    await pgTransactions(pool)(migrateBarrier);
    await pool.end();
  },
  async openSender({ url }) {
    const waker = postgresWaker({ url });
    return {
      committed: () => waker.wake(),
      async send(db, messages) {
        await send({ execute: db }, messages.map((payload) => ({ topic, key: payload.customer, payload })));
      },
    };
  },
  async consume({ url }, applied) {
    const handled = new Map<string, ShopMessage>();
    const consumer = postgresConsumer({
      name: "shop",
      database: new Pool({ connectionString: url }),
      async handleBatch(db, messages) {
        await applyEffects((text, values) => db.execute(text, values), messages.map(shopMessageOf));
        for (const message of messages) handled.set(message.id, shopMessageOf(message));
      },
    });
    const relay = await createRelay({
      log: postgresOutboxLog({ url }),
      source: "bench/shop",
      subscriptions: [{ name: "shop", topics: [topic], sink: heardBy(consumer, handled, applied) }],
    });
    while (!relay.ready()) await new Promise((resolve) => setTimeout(resolve, 10));
  },
};

const shopMessageOf = ({ payload }: Received): ShopMessage => payload as unknown as ShopMessage;

/** A receipt that says `done` comes right after the commit of the effect: the moment that is measured. What was handled before is not counted. */
function heardBy(sink: Sink, handled: Map<string, ShopMessage>, applied: Applied): Sink {
  return {
    features: sink.features,
    async deliver(messages, signal) {
      const receipts = await sink.deliver(messages, signal);
      const fresh = messages.flatMap(({ id }, index) => (receipts[index]?.kind === "done" ? (handled.get(id) ?? []) : []));
      applied(fresh);
      for (const { id } of messages) handled.delete(id);
      return receipts;
    },
    close: () => sink.close(),
  };
}

await runOutboxSystem(import.meta.url, ours);
