import { tryUnit } from "../../miniature/barrier.ts";
import { ordersNamed } from "../../miniature/order.ts";
import type { Variant } from "../../variant.ts";

export const infoReadAsFail: Variant = {
  name: "info read as fail",
  wrong: "No answer from the payment is read as a payment that did not happen.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    for (const order of ordersNamed(4)) {
      world.spawn(async function* saga() {
        await shop.place(order);
        await shop.inStock((session) => tryUnit(session, order));
        yield;
        let answer = await world.call(() => shop.pay(order));
        for (; answer === "unknown" && !broken; answer = await world.call(() => shop.pay(order))) yield;
        if (answer === "done") return shop.fulfil(order);
        await shop.release(order);
        await shop.end(order, "failed");
      });
    }
    await world.run();
  },
};
