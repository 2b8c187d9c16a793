/** The stock: a saga participant. `action` reserves units, `compensate` gives them back. */
import { Refused } from "tripact";
import type { Hold, Reservation } from "../contracts.ts";
import { serve } from "../serve.ts";

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
  path: "/stock",
  ops: (pool, barrier) => ({
    action: (call) =>
      barrier.transact(pool, call, async (db): Promise<Hold> => {
        const { sku, quantity } = call.payload as Reservation;
        const taken = await db.execute(`update item set free = free - $2 where sku = $1 and free >= $2`, [sku, quantity]);
        if (taken.rowCount === 0) throw new Refused("sold-out");
        await db.execute(`insert into hold (id, sku, quantity) values ($1, $2, $3)`, [call.key, sku, quantity]);
        return { hold: call.key };
      }),
    compensate: (call) =>
      barrier.transact(pool, call, async (db) => {
        await db.execute(
          `with released as (delete from hold where id = $1 returning sku, quantity)
           update item set free = free + released.quantity from released where item.sku = released.sku`,
          [call.key],
        );
      }),
  }),
});
