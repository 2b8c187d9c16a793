/** The payment: a TCC participant. `try` sets money aside, `confirm` takes it, `cancel` lets go of it. */
import { Refused } from "tripact";
import type { Charge } from "../contracts.ts";
import { participantAt } from "../participant.ts";
import { serve } from "../serve.ts";

await serve({
  tables: `
    create table if not exists wallet (
      buyer text primary key,
      cents integer not null,
      held integer not null default 0 check (held between 0 and cents)
    )`,
  handler: participantAt("/wallet", (open, barrier) => ({
    try: (call) =>
      barrier.transact(open, call, async (db) => {
        const { buyer, cents } = call.payload as Charge;
        const set = await db.execute(`update wallet set held = held + $2 where buyer = $1 and cents - held >= $2`, [buyer, cents]);
        if (set.rowCount === 0) throw new Refused("not-enough-money");
      }),
    confirm: (call) =>
      barrier.transact(open, call, async (db) => {
        const { buyer, cents } = call.payload as Charge;
        await db.execute(`update wallet set cents = cents - $2, held = held - $2 where buyer = $1`, [buyer, cents]);
      }),
    cancel: (call) =>
      barrier.transact(open, call, async (db) => {
        const { buyer, cents } = call.payload as Charge;
        await db.execute(`update wallet set held = held - $2 where buyer = $1`, [buyer, cents]);
      }),
  })),
});
