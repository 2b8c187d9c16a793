import { ordersNamed } from "../../miniature/order.ts";
import { ack, handle, send, unacked } from "../../miniature/mail.ts";
import type { Variant } from "../../variant.ts";

export const ackBeforeCommit: Variant = {
  name: "ack before commit",
  wrong: "A message is acknowledged before its effect is committed, and a crash in between loses it.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const outbox = shop.databases.orders;
    for (const order of ordersNamed(4)) await shop.place(order, async (session) => void (await send(session, order)));
    world.spawn(async function* relay() {
      for (let [next] = await unacked(outbox); next !== undefined; [next] = await unacked(outbox)) {
        if (broken) await ack(outbox, next);
        yield;
        await handle(shop, next, { inbox: true });
        yield;
        if (!broken) await ack(outbox, next);
      }
    }, { kills: 4 });
    await world.run();
  },
};
