import { tryUnit } from "../../miniature/barrier.ts";
import { ordersNamed } from "../../miniature/order.ts";
import { neverPlaced, place, stateOf } from "../../miniature/orders.ts";
import type { Variant } from "../../variant.ts";

export const absenceReadAsNo: Variant = {
  name: "absence read as no",
  wrong: "A start that is not there yet is reported as one that never was, and then it arrives.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const { orders } = shop.databases;
    for (const order of ordersNamed(4)) {
      world.spawn(async function* lateStart() {
        yield;
        if (!(await orders.transaction((session) => place(session, order)))) return;
        yield;
        await shop.inStock((session) => tryUnit(session, order));
        await shop.fulfil(order);
      });
      world.spawn(async function* gateway() {
        // It has waited long enough for an answer to the start, and asks what became of it.
        yield;
        const absent = broken ? (await stateOf(orders, order)) === undefined : await neverPlaced(orders, order);
        if (absent) shop.told(order, "fail", "never started");
        else shop.told(order, "accepted");
      });
    }
    await world.run();
  },
};
