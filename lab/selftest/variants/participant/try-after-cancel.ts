import { cancelUnit, tryUnit } from "../../miniature/barrier.ts";
import { ordersNamed } from "../../miniature/order.ts";
import type { Variant } from "../../variant.ts";

export const tryAfterCancel: Variant = {
  name: "try accepted after cancel",
  wrong: "A try that was overtaken by its own cancel holds a unit that nobody will ever release.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    for (const order of ordersNamed(4)) {
      await shop.place(order);
      world.spawn(async function* lateTry() {
        yield;
        await shop.inStock((session) => tryUnit(session, order));
      });
      world.spawn(async function* coordinator() {
        // The try was given up: whatever it did is undone.
        yield;
        await (broken ? shop.release(order) : shop.inStock((session) => cancelUnit(session, order)));
        await shop.end(order, "failed");
      });
    }
    await world.run();
  },
};
