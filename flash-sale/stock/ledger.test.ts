import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import type { Reservation } from "../contracts.ts";
import { checkBooks, openTestStock } from "./books.fixture.ts";
import { LedgerError, levels, openItem, release, reserve, restock, sell } from "./ledger.ts";

const stock = await openTestStock(await freshDatabase("stock_ledger"));
after(() => stock.drop());
const { open } = stock;

let items = 0;
/** An item of its own for each test. */
async function item(units: number): Promise<string> {
  const sku = `item-${(items += 1)}`;
  await open((db) => openItem(db, sku, units));
  return sku;
}
const from = (sku: string, quantity = 1, chunk: string | null = null): Reservation => ({ sku, quantity, chunk });
const ask = (orderId: string, reservation: Reservation) => open((db) => reserve(db, orderId, reservation));
const says = (code: LedgerError["code"]) => (error: unknown) => error instanceof LedgerError && error.code === code;
const movementsOf = async (orderId: string): Promise<string[]> => {
  const { rows } = await stock.db.execute(`select source || ' > ' || target as way from movement where reference = $1 order by id`, [orderId]);
  return rows.map(({ way }) => String(way));
};

test("an item is opened once, with one number of units", async () => {
  const sku = await item(10);
  await Promise.all([1, 2, 3].map(() => open((db) => openItem(db, sku, 10))));
  await assert.rejects(open((db) => openItem(db, sku, 11)), says("other-units"));
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 10, leased: 0, held: 0, sold: 0 });
  assert.equal(await levels(stock.db, "nothing"), undefined);
});

test("opened by many at once", async () => {
  await Promise.all(Array.from({ length: 12 }, () => open((db) => openItem(db, "rush", 5))));
  assert.equal((await checkBooks(stock, "rush")).free, 5);
});

test("the way of an order's units: held, sold, restocked; each step counts once", async () => {
  const sku = await item(10);
  for (const orderId of ["paid", "again"]) {
    assert.equal(await ask(orderId, from(sku, 2)), "held");
    assert.equal(await ask(orderId, from(sku, 2)), "held");
    for (const step of [sell, sell, restock, restock]) await open((db) => step(db, orderId));
    assert.deepEqual(await movementsOf(orderId), ["free > held", "held > sold", "sold > free"]);
    assert.equal((await checkBooks(stock, sku)).free, 10);
  }
});

test("a release counts once, and is nothing where nothing was held", async () => {
  const sku = await item(3);
  await open((db) => release(db, "never-reserved"));
  await ask("called-off", from(sku, 3));
  for (const _ of [1, 2]) await open((db) => release(db, "called-off"));
  assert.deepEqual(await movementsOf("called-off"), ["free > held", "held > free"]);
  assert.equal((await checkBooks(stock, sku)).free, 3);
});

test("a step from the wrong state is a typed error, and moves nothing", async () => {
  const sku = await item(9);
  for (const orderId of ["sold-one", "released-one", "restocked-one", "held-one"]) await ask(orderId, from(sku));
  for (const orderId of ["sold-one", "restocked-one"]) await open((db) => sell(db, orderId));
  await open((db) => release(db, "released-one"));
  await open((db) => restock(db, "restocked-one"));
  const before = await checkBooks(stock, sku);
  const wrong = says("wrong-state");
  await assert.rejects(open((db) => release(db, "sold-one")), wrong);
  for (const orderId of ["released-one", "restocked-one", "nobody"]) await assert.rejects(open((db) => sell(db, orderId)), wrong);
  for (const orderId of ["released-one", "held-one", "nobody"]) await assert.rejects(open((db) => restock(db, orderId)), wrong);
  for (const orderId of ["released-one", "restocked-one"]) await assert.rejects(ask(orderId, from(sku)), wrong);
  await assert.rejects(ask("lost", from("no-such-item")), says("unknown-item"));
  assert.deepEqual(await checkBooks(stock, sku), before);
});

test("sold out leaves nothing behind, and is not for ever", async () => {
  const sku = await item(3);
  assert.equal(await ask("most", from(sku, 2)), "held");
  assert.equal(await ask("more", from(sku, 2)), "sold-out");
  await open((db) => release(db, "more"));
  await open((db) => release(db, "most"));
  assert.equal(await ask("more", from(sku, 2)), "held");
  assert.deepEqual(await movementsOf("more"), ["free > held"]);
  assert.equal((await checkBooks(stock, sku)).free, 1);
});

test("many want few, some twice at once: never oversold", async () => {
  const sku = await item(20);
  const orders = Array.from({ length: 60 }, (_, n) => ({ orderId: `${sku}-${n}`, reservation: from(sku, 1 + (n % 3)) }));
  const told = await Promise.all(orders.flatMap(({ orderId, reservation }) => [ask(orderId, reservation), ask(orderId, reservation)]));
  for (const index of orders.keys()) assert.equal(told[2 * index], told[2 * index + 1], "one order, one answer");
  const { free, held } = await checkBooks(stock, sku);
  assert.deepEqual({ free, held }, { free: 0, held: 20 });
});

test("reserve, sell and release of the same orders at once: books add up", async () => {
  const sku = await item(50);
  const orders = Array.from({ length: 40 }, (_, n) => `${sku}-${n}`);
  await Promise.all(orders.map((orderId) => ask(orderId, from(sku))));
  await Promise.allSettled(orders.flatMap((orderId) => [sell, release, release, sell, restock].map((step) => open((db) => step(db, orderId)))));
  await checkBooks(stock, sku);
  for (const orderId of orders) await open((db) => release(db, orderId)).catch(() => open((db) => restock(db, orderId)));
  assert.deepEqual(await checkBooks(stock, sku), { initial: 50, free: 50, leased: 0, held: 0, sold: 0 });
});
