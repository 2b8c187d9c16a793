import { sessionOn } from "../../miniature/databases.ts";
import { ack, handle, message, send, unacked, type Message } from "../../miniature/mail.ts";
import { ordersNamed, type Order } from "../../miniature/order.ts";
import { place } from "../../miniature/orders.ts";
import type { Shop } from "../../miniature/shop.ts";
import type { Steps } from "../../miniature/world.ts";
import type { Variant } from "../../variant.ts";

export const highWaterMark: Variant = {
  name: "high-water-mark outbox",
  wrong: "The relay reads on from the highest id that it has seen, though ids commit out of their order.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const outbox = shop.databases.orders;
    let writing = 0;
    for (const order of ordersNamed(4)) {
      writing += 1;
      world.spawn(async function* writer() {
        yield* placeSlowly(shop, order);
        writing -= 1;
      });
    }
    world.spawn(async function* relay() {
      let mark = 0;
      for (;;) {
        const last = writing === 0;
        const found: readonly Message[] = broken
          ? (await outbox.rows<{ id: number; orderId: string }>(`select id::int, order_id as "orderId" from outbox where id > $1 order by id`, [mark])).map(message)
          : await unacked(outbox);
        for (const next of found) {
          mark = next.id;
          await handle(shop, next, { inbox: true });
          await ack(outbox, next);
        }
        if (last) return;
        yield;
      }
    });
    await world.run();
  },
};

/** Holds its transaction open while others take their steps. */
async function* placeSlowly(shop: Shop, order: Order): Steps {
  const client = await shop.databases.orders.connect();
  try {
    const session = sessionOn(client);
    await client.query("begin");
    await place(session, order);
    await send(session, order);
    yield;
    await client.query("commit");
    shop.told(order, "accepted");
  } finally {
    await client.end();
  }
}
