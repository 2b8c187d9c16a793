import type { Session } from "../../miniature/databases.ts";
import { ordersNamed, SKU, type Answer, type Order } from "../../miniature/order.ts";
import { tryUnit } from "../../miniature/barrier.ts";
import { Redis } from "../../miniature/redis.ts";
import { writeHold } from "../../miniature/stock.ts";
import type { Variant } from "../../variant.ts";

const UNITS = 4;

export const redisAsLedger: Variant = {
  name: "Redis as the ledger",
  wrong: "A decrement in Redis is the sale itself, and a failover forgets decrements that were answered.",
  async run({ shop, world, broken }) {
    await shop.open(UNITS);
    const redis = new Redis();
    redis.set("units", UNITS);
    redis.replicate(1);
    let buying = true;
    world.spawn(async function* buyers() {
      for (const order of ordersNamed(10)) {
        if (redis.decr("units") < 0) shop.told(order, "reject", "sold out");
        else {
          await shop.place(order);
          yield;
          const answer = await shop.inStock((session) => (broken ? takeBlindly(session, order) : tryUnit(session, order)));
          if (answer === "refused") await shop.end(order, "sold-out");
          else await shop.fulfil(order);
        }
        yield;
      }
      buying = false;
    });
    world.spawn(async function* replication() {
      for (; buying; redis.replicate(1)) {
        for (let lag = 4; lag > 0; lag -= 1) yield;
      }
    });
    world.spawn(async function* failover() {
      for (let steps = 4 + world.below(12); steps > 0; steps -= 1) yield;
      redis.failOver();
    });
    await world.run();
  },
};

/** Whoever got past Redis has bought: the table only follows, as far as its columns let it. */
async function takeBlindly(session: Session, order: Order): Promise<Answer> {
  await session.changed("update item set free = greatest(free - 1, 0) where sku = $1", [SKU]);
  await writeHold(session, order, "free");
  return "done";
}
