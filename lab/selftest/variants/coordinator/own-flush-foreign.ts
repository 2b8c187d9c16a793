import { tryUnit } from "../../miniature/barrier.ts";
import type { Session } from "../../miniature/databases.ts";
import { closeJournal, entryOf, openJournal } from "../../miniature/journal.ts";
import { ordersNamed, type Order } from "../../miniature/order.ts";
import type { World } from "../../miniature/world.ts";
import type { Variant } from "../../variant.ts";

export const ownFlushForeign: Variant = {
  name: "own flush read as foreign",
  wrong: "The answer to a flush is lost, its retry finds the sequence moved on, and the owner takes itself for fenced.",
  async run({ shop, world, broken }) {
    await shop.open(5);
    const journal = shop.databases.orders;
    for (const order of ordersNamed(3)) {
      world.spawn(async function* owner() {
        await shop.place(order, (session) => openJournal(session, order, "owner"));
        yield;
        const steps = [() => shop.inStock((session) => tryUnit(session, order)), () => shop.pay(order), () => shop.sell(order)];
        for (const [seq, step] of steps.entries()) {
          await step();
          yield;
          // Fenced: somebody else drives it now.
          if ((await flush({ journal, world, order, seq, broken })) === "fenced") return;
        }
        await shop.end(order, "paid");
        await closeJournal(journal, order);
      });
    }
    await world.run();
  },
};

interface Flush {
  readonly journal: Session;
  readonly world: World;
  readonly order: Order;
  readonly seq: number;
  readonly broken: boolean;
}

const TRIES_MAX = 1_000;

async function flush({ journal, world, order, seq, broken }: Flush): Promise<"flushed" | "fenced"> {
  const flushId = `flush-${seq}-${world.below(1_000_000)}`;
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const written = await world.call(() => journal.changed("update journal set seq = seq + 1, flush_id = $3 where order_id = $1 and owner = 'owner' and seq = $2", [order.orderId, seq, flushId]));
    if (written === "unknown") continue;
    if (written === 1) return "flushed";
    const mine = (await entryOf(journal, order)).flushId === flushId;
    return mine && !broken ? "flushed" : "fenced";
  }
  throw new Error("no answer to a flush, ever");
}
