import type pg from "pg";
import type { TransactionOutcome } from "tripact";
import type { Order, Receipt } from "./contracts.ts";
import type { RemoteService, Shop } from "./shop.ts";

export type Purchase = TransactionOutcome<Receipt>;
type Tell = (line: string) => void;

const lamp = { sku: "lamp", cents: 2_500 };

/** Ten lamps, and four buyers with some money. */
export async function fill({ databases }: Shop): Promise<void> {
  await databases.stock.query(`insert into item (sku, free) values ('lamp', 10)`);
  await databases.payment.query(`insert into wallet (buyer, cents) values ('ada', 9000), ('bob', 1000), ('cleo', 4000), ('dan', 8000)`);
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
  const { gid } = await killWhileItWaits(stock, databases.stock, "select from item for update", () => tripact.start(purchase, order));
  tell("The stock was killed (SIGKILL) in the middle of the call.");
  await stock.start();
  tell("The stock is back. The coordinator asks again, under the same key.");
  // The same gid and the same input: this joins the transaction that is under way, and waits for its end.
  return tripact.run(purchase, order, { gid });
}

/** The mailer dies while it takes an event, and is away while others are committed: two outboxes keep them. */
export async function danBuysWhileTheMailerDies(shop: Shop, tell: Tell): Promise<Purchase> {
  const { tripact, purchase, mailer, databases } = shop;
  const order: Order = { buyer: "dan", sku: lamp.sku, quantity: 3, cents: 3 * lamp.cents };
  const ended = await killWhileItWaits(mailer, databases.mailer, "lock table mail in exclusive mode", () => tripact.run(purchase, order));
  tell("The mailer was killed (SIGKILL) in the middle of an event. Nobody who bought has noticed.");
  await mailer.start();
  tell("The mailer is back. Both relays deliver again, and its inbox knows what it has had.");
  await untilMails(shop, 4);
  return ended;
}

/** Deliveries follow the commit; nobody waits for them but us. */
export async function untilMails({ databases }: Shop, count: number): Promise<void> {
  await until(`${count} mails`, async () => (await databases.mailer.query(`select from mail`)).rowCount === count);
}

/** A lock holds the service where we want it, in the middle of its transaction, and there it is killed. */
async function killWhileItWaits<T>(service: RemoteService, database: pg.Pool, lock: string, act: () => Promise<T>): Promise<T> {
  const locker = await database.connect();
  try {
    await locker.query("begin");
    await locker.query(lock);
    const done = await act();
    await until("a transaction that waits for the lock", async () => {
      const { rowCount } = await database.query(`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`);
      return (rowCount ?? 0) > 0;
    });
    await service.kill();
    return done;
  } finally {
    await locker.query("rollback");
    locker.release();
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const givesUpAtMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > givesUpAtMs) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
