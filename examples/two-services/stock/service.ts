/** The stock: a saga participant. `action` reserves units, `compensate` gives them back. When few are left, it tells. */
import { Refused } from "tripact";
import { send } from "tripact/outbox";
import type { Hold, Reservation, StockLow } from "../contracts.ts";
import { participantAt } from "../participant.ts";
import { serve } from "../serve.ts";

const FEW = 5;

await serve({
  tables: `
    create table if not exists item (
      sku text primary key,
      free integer not null check (free >= 0)
    );
    create table if not exists hold (
      id text primary key,
      sku text not null references item,
      quantity integer not null check (quantity > 0)
    )`,
  outbox: "shop/stock",
  handler: participantAt("/stock", (open, barrier) => ({
    action: (call) =>
      barrier.transact(open, call, async (db): Promise<Hold> => {
        const { sku, quantity } = call.payload as Reservation;
        const taken = await db.execute(`update item set free = free - $2 where sku = $1 and free >= $2 returning free`, [sku, quantity]);
        if (taken.rowCount === 0) throw new Refused("sold-out");
        const low: StockLow = { sku, free: Number(taken.rows[0]?.free) };
        // In the same commit as the reservation: sent if, and only if, the units are taken.
        if (low.free < FEW) await send(db, { topic: "stock.low", key: sku, payload: low });
        await db.execute(`insert into hold (id, sku, quantity) values ($1, $2, $3)`, [call.key, sku, quantity]);
        return { hold: call.key };
      }),
    compensate: (call) =>
      barrier.transact(open, call, async (db) => {
        await db.execute(
          `with released as (delete from hold where id = $1 returning sku, quantity)
           update item set free = free + released.quantity from released where item.sku = released.sku`,
          [call.key],
        );
      }),
  })),
});
