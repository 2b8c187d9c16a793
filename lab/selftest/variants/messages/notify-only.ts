import type { Client } from "pg";
import { ack, handle, send, unacked } from "../../miniature/mail.ts";
import { ordersNamed } from "../../miniature/order.ts";
import type { Database } from "../../miniature/databases.ts";
import type { Variant } from "../../variant.ts";

export const notifyOnly: Variant = {
  name: "NOTIFY as the only wake-up",
  wrong: "The relay looks only for messages that a notification names, and one is lost while its connection is down.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const outbox = shop.databases.orders;
    let writing = true;
    world.spawn(async function* buyers() {
      for (const order of ordersNamed(4)) {
        await shop.place(order, async (session) => void (await session.rows("select pg_notify('mail', $1)", [String(await send(session, order))])));
        yield;
      }
      writing = false;
    });
    world.spawn(async function* relay() {
      let ear: Ear | undefined;
      try {
        for (;;) {
          const last = !writing;
          if (ear === undefined) ear = await listen(outbox);
          const named = await ear.named();
          for (const next of await unacked(outbox)) {
            if (broken && !named.has(next.id)) continue;
            await handle(shop, next, { inbox: true });
            await ack(outbox, next);
          }
          if (last) return;
          if (world.chance(0.4)) {
            await ear.cut();
            ear = undefined;
            yield;
          }
          yield;
        }
      } finally {
        await ear?.cut();
      }
    });
    await world.run();
  },
};

interface Ear {
  /** Everything that was heard since the last call. */
  named(): Promise<ReadonlySet<number>>;
  cut(): Promise<void>;
}

async function listen(database: Database): Promise<Ear> {
  const client: Client = await database.connect();
  let heard = new Set<number>();
  client.on("notification", ({ payload }) => heard.add(Number(payload)));
  await client.query("listen mail");
  return {
    async named() {
      // What was committed before is sent before this is answered.
      await client.query("select");
      const all = heard;
      heard = new Set();
      return all;
    },
    cut: () => client.end(),
  };
}
