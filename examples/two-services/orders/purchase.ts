import { saga, type Saga, type SagaParticipant, type TccParticipant } from "tripact";
import type { Charge, Hold, Order, OrderPlaced, Receipt, Reservation } from "../contracts.ts";

export interface Partners {
  readonly stock: SagaParticipant<Reservation, Hold>;
  readonly wallet: TccParticipant<Charge, unknown>;
}

/** One purchase: units from the stock, money from the wallet, an order, and a message that says so. All of it, or nothing. */
export function purchaseWith({ stock, wallet }: Partners): Saga<Order, Receipt> {
  return saga("purchase", async (tx, { buyer, sku, quantity, cents }: Order) => {
    await tx.step("reserve", stock, { sku, quantity });
    await tx.tcc("pay", wallet, { buyer, cents });
    // The journal lives in this database, so the order and the journal's entry are one commit: no barrier is needed.
    const orderId = await tx.sql(
      "order",
      async (db) => {
        await db.execute(`insert into orders (id, buyer, sku, quantity, cents) values ($1, $2, $3, $4, $5)`, [tx.gid, buyer, sku, quantity, cents]);
        return tx.gid;
      },
      { undo: (db, id) => db.execute(`delete from orders where id = $1`, [id]) },
    );
    const placed: OrderPlaced = { orderId, buyer, sku, quantity };
    await tx.emit("order.placed", { key: orderId, payload: placed });
    return { orderId };
  });
}

export const ordersTable = `
  create table if not exists orders (
    id text primary key,
    buyer text not null,
    sku text not null,
    quantity integer not null,
    cents integer not null
  )`;
