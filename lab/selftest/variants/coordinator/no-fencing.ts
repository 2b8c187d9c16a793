import { cancelUnit, tryUnit } from "../../miniature/barrier.ts";
import { closeJournal, decide, entryOf, openJournal } from "../../miniature/journal.ts";
import { ordersNamed, type Order } from "../../miniature/order.ts";
import { stillPlaced } from "../../miniature/orders.ts";
import type { Shop } from "../../miniature/shop.ts";
import type { Variant } from "../../variant.ts";

export const noFencing: Variant = {
  name: "no fencing",
  wrong: "An owner that was paused and taken over wakes up and writes its decision all the same.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const journal = shop.databases.orders;
    for (const order of ordersNamed(4)) {
      await shop.place(order, (session) => openJournal(session, order, "owner"));
      world.spawn(async function* owner() {
        const { epoch } = await entryOf(journal, order);
        yield;
        if ((await shop.inStock((session) => tryUnit(session, order))) === "refused") return;
        yield;
        const fence = broken ? "" : " and owner = 'owner' and epoch = $2";
        const written = await journal.changed(`update journal set decision = 'commit' where order_id = $1${fence}`, broken ? [order.orderId] : [order.orderId, epoch]);
        if (written === 0) return;
        yield;
        await shop.fulfil(order);
        await closeJournal(journal, order);
      });
      world.spawn(async function* peer() {
        // Paused or dead, nobody can tell; how long it takes until a peer thinks so is the seed's choice.
        for (let steps = 1 + world.below(4); steps > 0; steps -= 1) yield;
        if (!(await stillPlaced(journal, order))) return;
        await journal.changed("update journal set owner = 'peer', epoch = epoch + 1 where order_id = $1", [order.orderId]);
        yield;
        await driveToEnd(shop, order);
      });
    }
    await world.run();
  },
};

/** Forward if that was decided, back if nothing was. */
export async function driveToEnd(shop: Shop, order: Order): Promise<void> {
  const journal = shop.databases.orders;
  if ((await decide(journal, order, "roll back")) === "commit") await shop.fulfil(order);
  else {
    await shop.inStock((session) => cancelUnit(session, order));
    await shop.end(order, "failed");
  }
  await closeJournal(journal, order);
}
