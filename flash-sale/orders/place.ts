/**
 * Placing an order: its row, its units of the buyer's allowance and the start of its purchase are one commit. What is accepted is durable,
 * and what is not committed never began.
 */
import { waking } from "tripact/outbox";
import type { Order, Placed, Placement } from "../contracts.ts";
import type { OrdersPart, ServiceSide } from "../modes/mode.ts";
import { insertOrder, openCount } from "./ledger.ts";

/** Placements under way at once: a few commits' worth for each connection. Beyond it a buyer hears it at once instead of waiting. */
const PLACING_MAX = 64;
const LOOK_EVERY_MS = 250;

export interface Placing {
  place(placement: Placement): Promise<Placed>;
  stop(): void;
}

/** Rolls back an order that would be one too many. */
class Limited extends Error {}

export function placing({ open: opened, db: alone }: Pick<ServiceSide, "open" | "db">, part: OrdersPart, { openMax, onError }: { readonly openMax: number; readonly onError: (error: unknown) => void }): Placing {
  const open = part.waker === undefined ? opened : waking(opened, part.waker);
  let underWay = 0;
  let full = false;
  let looking = false;
  const look = setInterval(() => {
    if (looking) return;
    looking = true;
    openCount(alone, openMax)
      .then((count) => void (full = count >= openMax))
      .catch(onError)
      .finally(() => void (looking = false));
  }, LOOK_EVERY_MS);

  const placeNow = async (placement: Placement): Promise<Placed> => {
    const { orderId } = placement;
    let begun: Order | undefined;
    try {
      const answer = await open(async (db): Promise<Placed> => {
        const inserted = await insertOrder(db, placement);
        switch (inserted.kind) {
          case "placed":
            await part.beginIn?.(db, inserted.order);
            begun = inserted.order;
            return { kind: "placed", orderId, again: false };
          case "again":
            return { kind: "placed", orderId, again: true };
          case "limited":
            throw new Limited();
          case "conflict":
          case "never-placed":
          case "closed":
            return { kind: inserted.kind };
        }
      });
      if (begun !== undefined) part.begun?.(begun);
      return answer;
    } catch (error) {
      if (error instanceof Limited) return { kind: "limited" };
      throw error;
    }
  };

  return {
    async place(placement) {
      if (full || underWay >= PLACING_MAX || part.ready?.() === false) return { kind: "overloaded" };
      underWay += 1;
      try {
        return await placeNow(placement);
      } finally {
        underWay -= 1;
      }
    },
    stop: () => clearInterval(look),
  };
}
