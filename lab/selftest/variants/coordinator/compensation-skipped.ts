import { tryUnit } from "../../miniature/barrier.ts";
import { ordersNamed } from "../../miniature/order.ts";
import type { Variant } from "../../variant.ts";

export const compensationSkipped: Variant = {
  name: "compensation skipped on retry",
  wrong: "A compensation that was begun, and of which no answer came, counts as done when it is the retry's turn.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    for (const order of ordersNamed(4)) {
      world.spawn(async function* saga() {
        await shop.place(order);
        yield;
        await shop.inStock((session) => tryUnit(session, order));
        yield;
        if (world.chance(0.2)) return shop.fulfil(order);
        await shop.decline(order);
        for (let answer = await world.call(() => shop.release(order)); answer === "unknown"; ) {
          yield;
          answer = broken ? "done" : await world.call(() => shop.release(order));
        }
        await shop.end(order, "declined");
      });
    }
    await world.run();
  },
};
