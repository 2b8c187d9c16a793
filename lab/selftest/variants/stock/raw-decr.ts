import { ordersNamed, SKU, type Order } from "../../miniature/order.ts";
import { Redis, resending } from "../../miniature/redis.ts";
import type { Shop } from "../../miniature/shop.ts";
import { move, writeHold } from "../../miniature/stock.ts";
import type { Variant } from "../../variant.ts";

const UNITS = 5;
const CHUNK = "c1";

export const rawDecr: Variant = {
  name: "raw DECR with a re-sending client",
  wrong: "The client sends a DECR again whose answer was lost, so that one purchase takes two units.",
  async run({ shop, world, broken }) {
    await shop.open(UNITS);
    const redis = new Redis();
    await leaseChunk(shop);
    redis.set(CHUNK, UNITS);
    world.spawn(async function* buyers() {
      for (const order of ordersNamed(4)) {
        const taken = resending(world, () => (broken ? redis.decr(CHUNK) >= 0 : redis.takeOnce(CHUNK, order.orderId)));
        if (taken) {
          await shop.place(order);
          await takeFromChunk(shop, order);
          await shop.fulfil(order);
        } else shop.told(order, "reject", "sold out");
        yield;
      }
    });
    await world.run();
    await endChunk(shop, Math.max(redis.get(CHUNK), 0));
  },
};

function leaseChunk(shop: Shop): Promise<void> {
  return shop.inStock(async (session) => {
    await session.changed("update item set free = free - $2 where sku = $1", [SKU, UNITS]);
    await session.changed("insert into chunk (id, sku, gateway, leased, state) values ($1, $2, 'g1', $3, 'open')", [CHUNK, SKU, UNITS]);
    await move(session, CHUNK, "free", "chunk", UNITS);
  });
}

function takeFromChunk(shop: Shop, order: Order): Promise<void> {
  return shop.inStock(async (session) => {
    await session.changed("update chunk set reserved = reserved + 1 where id = $1", [CHUNK]);
    await writeHold(session, order, "chunk", CHUNK);
  });
}

/** The gateway gives back what its counter says; a chunk is closed when all of its units are accounted for. */
function endChunk(shop: Shop, units: number): Promise<void> {
  return shop.inStock(async (session) => {
    await session.changed("update chunk set returned = $2, state = case when reserved + $2 = leased then 'closed' else 'closing' end where id = $1", [CHUNK, units]);
    if (units === 0) return;
    await session.changed("update item set free = free + $2 where sku = $1", [SKU, units]);
    await move(session, CHUNK, "chunk", "free", units);
  });
}
