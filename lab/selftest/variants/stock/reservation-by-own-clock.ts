import { cancelUnit, tryUnit } from "../../miniature/barrier.ts";
import { closeJournal, decide, openJournal } from "../../miniature/journal.ts";
import { ordersNamed, type Order } from "../../miniature/order.ts";
import { anyPlaced, stillPlaced } from "../../miniature/orders.ts";
import type { Variant } from "../../variant.ts";

const HELD_FOR_MS = 80;

export const reservationByOwnClock: Variant = {
  name: "reservation released by its own clock",
  wrong: "The stock releases a reservation when its time is up, though the coordinator has decided to confirm it.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const journal = shop.databases.orders;
    const orders = ordersNamed(3);
    const expiry = new Map<string, number>();
    for (const order of orders) await shop.place(order, (session) => openJournal(session, order, "coordinator"));
    const drive = async function* (order: Order) {
      expiry.set(order.orderId, expiry.get(order.orderId) ?? world.nowMs + HELD_FOR_MS);
      const tried = await shop.inStock((session) => tryUnit(session, order));
      yield;
      const decision = await decide(journal, order, tried === "done" ? "commit" : "roll back");
      yield;
      if (decision === "commit") await shop.pay(order);
      else await shop.inStock((session) => cancelUnit(session, order));
      yield;
      if (decision === "commit") await shop.sell(order);
      await shop.end(order, decision === "commit" ? "paid" : "failed");
      await closeJournal(journal, order);
    };
    world.spawn(async function* coordinator() {
      for (const order of orders) if (await stillPlaced(journal, order)) yield* drive(order);
    }, { kills: 3 });
    world.spawn(async function* stockSweeper() {
      while (await anyPlaced(journal, orders)) {
        for (const order of orders) {
          if ((expiry.get(order.orderId) ?? Infinity) > world.nowMs) continue;
          // Asking makes it so: undecided is rolled back here, for good.
          const mayRelease = broken || (await decide(journal, order, "roll back")) === "roll back";
          if (mayRelease) await shop.inStock((session) => cancelUnit(session, order));
        }
        yield;
      }
    });
    await world.run();
  },
};
