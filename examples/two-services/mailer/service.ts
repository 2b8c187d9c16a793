/** The mailer: takes events of other services, and writes a mail for each, once. It knows neither who runs the outboxes nor how. */
import { postgresInbox } from "tripact/barrier";
import { consume, eventHandler, type Envelope } from "tripact/events";
import type { OrderPlaced, StockLow } from "../contracts.ts";
import { serve, setting } from "../serve.ts";

await serve({
  tables: `create table if not exists mail (recipient text not null, subject text not null)`,
  handler: (open) =>
    eventHandler({
      secrets: [setting("SECRET")],
      // Deliveries repeat; the inbox's row, in the same commit, makes them count once.
      receive: consume(open, postgresInbox(), "mailer", async (db, event) => {
        const { recipient, subject } = mailFor(event);
        await db.execute(`insert into mail (recipient, subject) values ($1, $2)`, [recipient, subject]);
      }),
      onError: (error) => console.error(error),
    }),
});

function mailFor({ topic, payload }: Envelope): { readonly recipient: string; readonly subject: string } {
  switch (topic) {
    case "order.placed": {
      const { buyer, quantity, sku } = JSON.parse(payload) as OrderPlaced;
      return { recipient: buyer, subject: `your order: ${quantity} ${sku}` };
    }
    case "stock.low": {
      const { sku, free } = JSON.parse(payload) as StockLow;
      return { recipient: "purchasing", subject: `only ${free} ${sku} left` };
    }
    default:
      throw new Error(`no mail for ${topic}`);
  }
}
