import { ordersNamed } from "../../miniature/order.ts";
import { ack, handle, send, unacked } from "../../miniature/mail.ts";
import type { Variant } from "../../variant.ts";

export const noInbox: Variant = {
  name: "no inbox",
  wrong: "A message whose acknowledgement was lost is handled again, and nobody remembers that it was handled.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const outbox = shop.databases.orders;
    for (const order of ordersNamed(4)) await shop.place(order, async (session) => void (await send(session, order)));
    world.spawn(async function* relay() {
      for (let [next] = await unacked(outbox); next !== undefined; [next] = await unacked(outbox)) {
        await handle(shop, next, { inbox: !broken });
        yield;
        await ack(outbox, next);
        yield;
      }
    }, { kills: 4 });
    await world.run();
  },
};
