import { tryUnit } from "../../miniature/barrier.ts";
import { closeJournal, openJournal } from "../../miniature/journal.ts";
import { ordersNamed } from "../../miniature/order.ts";
import { anyPlaced, stillPlaced } from "../../miniature/orders.ts";
import type { Variant } from "../../variant.ts";
import { driveToEnd } from "./no-fencing.ts";

const LEASE_MS = 100;
const HOUR_MS = 3_600_000;

/** Neither twin has a fence: here the lease alone keeps two from driving one purchase. */
export const wallClockLease: Variant = {
  name: "lease by wall clock",
  wrong: "A lease ends when a clock says so, and the peer's clock jumps an hour ahead of a living owner's.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const journal = shop.databases.orders;
    const orders = ordersNamed(4);
    for (const order of orders) await shop.place(order, (session) => openJournal(session, order, "owner"));
    const owner = world.spawn(async function* drive() {
      const taken = [];
      for (const order of orders) {
        if ((await shop.inStock((session) => tryUnit(session, order))) === "done") taken.push(order);
        yield;
      }
      for (const order of taken) {
        await journal.changed("update journal set decision = 'commit' where order_id = $1", [order.orderId]);
        yield;
        await shop.pay(order);
        yield;
        await shop.sell(order);
        await shop.end(order, "paid");
        await closeJournal(journal, order);
        yield;
      }
    }, { kills: world.chance(0.25) ? 1 : 0, restarts: false });
    const lease = { beats: 0, untilMs: LEASE_MS };
    world.everyStep(async () => {
      if (owner.alive()) Object.assign(lease, { beats: lease.beats + 1, untilMs: world.nowMs + LEASE_MS });
    });
    let aheadMs = 0;
    world.spawn(async function* clock() {
      for (let steps = 3 + world.below(9); steps > 0; steps -= 1) yield;
      aheadMs = HOUR_MS;
    });
    world.spawn(async function* peer() {
      let seen = { beats: -1, atMs: world.nowMs };
      while (await anyPlaced(journal, orders)) {
        if (lease.beats !== seen.beats) seen = { beats: lease.beats, atMs: world.nowMs };
        const silent = broken ? world.nowMs + aheadMs > lease.untilMs : world.nowMs - seen.atMs > LEASE_MS;
        if (silent) for (const order of orders) if (await stillPlaced(journal, order)) await driveToEnd(shop, order);
        yield;
      }
    });
    await world.run();
  },
};
