import type { TransactionOutcome } from "tripact";
import type { Order, Receipt } from "./contracts.ts";
import type { Shop } from "./shop.ts";

export type Purchase = TransactionOutcome<Receipt>;
type Tell = (line: string) => void;

const lamp = { sku: "lamp", cents: 2_500 };

/** Ten lamps, and three buyers with some money. */
export async function fill({ databases }: Shop): Promise<void> {
  await databases.stock.query(`insert into item (sku, free) values ('lamp', 10)`);
  await databases.payment.query(`insert into wallet (buyer, cents) values ('ada', 9000), ('bob', 1000), ('cleo', 4000)`);
}

export async function adaBuysTwo({ tripact, purchase }: Shop): Promise<Purchase> {
  return tripact.run(purchase, { buyer: "ada", sku: lamp.sku, quantity: 2, cents: 2 * lamp.cents });
}

/** The stock has reserved his lamp by the time the payment says no. */
export async function bobHasTooLittle({ tripact, purchase }: Shop): Promise<Purchase> {
  return tripact.run(purchase, { buyer: "bob", sku: lamp.sku, quantity: 1, cents: lamp.cents });
}

/** The stock dies while it works on her reservation, and nobody can say whether it was made. */
export async function cleoBuysWhileTheStockDies(shop: Shop, tell: Tell): Promise<Purchase> {
  const { tripact, purchase, stock, databases } = shop;
  const order: Order = { buyer: "cleo", sku: lamp.sku, quantity: 1, cents: lamp.cents };
  const locker = await databases.stock.connect();
  let gid: string;
  try {
    // A lock on the row holds the call where we want it: in the middle of its transaction.
    await locker.query("begin");
    await locker.query(`select from item where sku = $1 for update`, [order.sku]);
    ({ gid } = await tripact.start(purchase, order));
    await until("a call that waits in the stock's database", async () => {
      const { rowCount } = await databases.stock.query(
        `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      );
      return (rowCount ?? 0) > 0;
    });
    await stock.kill();
    tell("The stock was killed (SIGKILL) in the middle of the call.");
  } finally {
    await locker.query("rollback");
    locker.release();
  }
  await stock.start();
  tell("The stock is back. The coordinator asks again, under the same key.");
  // The same gid and the same input: this joins the transaction that is under way, and waits for its end.
  return tripact.run(purchase, order, { gid });
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const givesUpAtMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > givesUpAtMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
