import { answered, once, record } from "../../miniature/barrier.ts";
import { ordersNamed } from "../../miniature/order.ts";
import { stillPlaced } from "../../miniature/orders.ts";
import { takeUnit } from "../../miniature/stock.ts";
import type { Variant } from "../../variant.ts";

export const barrierApart: Variant = {
  name: "barrier in another transaction than the effect",
  wrong: "A call is marked as done in one transaction and done in the next, and a crash in between leaves only the mark.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const orders = ordersNamed(4);
    for (const order of orders) await shop.place(order);
    world.spawn(async function* saga() {
      for (const order of orders) {
        if (!(await stillPlaced(shop.databases.orders, order))) continue;
        if (!broken) await shop.inStock((session) => once(session, order, "take", () => takeUnit(session, order)));
        else if ((await answered(shop.databases.stock, order.orderId, "take")) === undefined) {
          await shop.inStock((session) => record(session, order.orderId, "take", "done"));
          yield;
          await shop.inStock((session) => takeUnit(session, order));
        }
        yield;
        await shop.fulfil(order);
        yield;
      }
    }, { kills: 4 });
    await world.run();
  },
};
