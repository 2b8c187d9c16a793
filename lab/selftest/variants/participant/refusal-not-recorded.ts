import { answered, record, tryUnit } from "../../miniature/barrier.ts";
import type { Session } from "../../miniature/databases.ts";
import { orderNamed, type Answer, type Order } from "../../miniature/order.ts";
import { takeUnit } from "../../miniature/stock.ts";
import type { Variant } from "../../variant.ts";

export const refusalNotRecorded: Variant = {
  name: "refusal not recorded",
  wrong: "A refusal leaves no trace, so that an earlier attempt, still on the wire, lands on goods that have come back.",
  async run({ shop, world, broken }) {
    await shop.open(1);
    const [other, order] = [orderNamed("other"), orderNamed("o1")];
    const attempt = (): Promise<Answer> => shop.inStock((session) => (broken ? tryForgetful(session, order) : tryUnit(session, order)));
    await shop.place(other);
    await shop.inStock((session) => tryUnit(session, other));
    await shop.place(order);
    world.spawn(async function* buyerWhoCancels() {
      yield;
      yield;
      await shop.release(other);
      await shop.end(other, "cancelled");
    });
    world.spawn(async function* firstAttempt() {
      for (let steps = 2 + world.below(3); steps > 0; steps -= 1) yield;
      await attempt();
    });
    world.spawn(async function* coordinator() {
      // Its first attempt timed out; this is the second.
      yield;
      // Refused is refused: there is nothing to undo.
      if ((await attempt()) === "refused") await shop.end(order, "sold-out");
      else await shop.fulfil(order);
    });
    await world.run();
  },
};

async function tryForgetful(session: Session, order: Order): Promise<Answer> {
  if ((await answered(session, order.orderId, "try")) === "done") return "done";
  const answer = await takeUnit(session, order);
  if (answer === "done") await record(session, order.orderId, "try", "done");
  return answer;
}
