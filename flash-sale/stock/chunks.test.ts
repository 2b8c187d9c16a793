import assert from "node:assert/strict";
import test, { after } from "node:test";
import type { SqlExecutor } from "tripact/barrier";
import { freshDatabase } from "@tripact/testbed";
import { checkBooks, openTestStock } from "./books.fixture.ts";
import { end, endSilent, lease, renew, settle, unclosed } from "./chunks.ts";
import { openItem, release, reserve, restock, sell } from "./ledger.ts";

const stock = await openTestStock(await freshDatabase("stock_chunks"));
after(() => stock.drop());
const { open, db } = stock;

let items = 0;
async function item(units: number): Promise<string> {
  const sku = `item-${(items += 1)}`;
  await openItem(db, sku, units);
  return sku;
}
/** An item with one chunk. */
async function leased(units: number, chunkUnits: number): Promise<{ readonly sku: string; readonly chunk: string }> {
  const sku = await item(units);
  const chunk = `${sku}-chunk`;
  assert.equal(await lease(db, { chunk, gateway: "g1", sku, units: chunkUnits }), chunkUnits);
  return { sku, chunk };
}
const ask = (orderId: string, sku: string, quantity: number, chunk: string | null) => open((tx) => reserve(tx, orderId, { sku, quantity, chunk }));
async function untilWaiting(statements: number): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const { rows } = await db.execute(`select count(*)::int as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`, []);
    if (rows[0]?.["waiting"] === statements) return;
    assert.ok(performance.now() < deadlineMs, `never ${statements} statements waited`);
  }
}
const stateOf = async (chunk: string): Promise<unknown> => (await db.execute(`select state from chunk where id = $1`, [chunk])).rows[0]?.["state"];

test("a lease takes what is free, and no chunk where nothing is", async () => {
  const sku = await item(10);
  assert.equal(await lease(db, { chunk: "l1", gateway: "g1", sku, units: 6 }), 6);
  assert.equal(await lease(db, { chunk: "l2", gateway: "g1", sku, units: 6 }), 4);
  assert.equal(await lease(db, { chunk: "l3", gateway: "g1", sku, units: 6 }), 0);
  assert.equal(await lease(db, { chunk: "l4", gateway: "g1", sku: "no-such-item", units: 6 }), 0);
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 0, leased: 10, held: 0, sold: 0 });
});

test("many lease at once: never more than there was", async () => {
  const sku = await item(100);
  const units = await Promise.all(Array.from({ length: 30 }, (_, n) => lease(db, { chunk: `${sku}-${n}`, gateway: "g1", sku, units: 7 })));
  assert.equal(units.reduce((sum, one) => sum + one, 0), 100);
  assert.equal((await checkBooks(stock, sku)).free, 0);
});

test("leases that queue behind another one, while an order's hold is being written, do not wait for each other in a circle", async () => {
  const { sku, chunk } = await leased(100, 3);
  const [writing, leasing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const begun: Promise<unknown>[] = [];
  const inTransaction = (ends: Promise<void>, work: (tx: SqlExecutor) => Promise<unknown>): Promise<void> =>
    new Promise((resolve, reject) => {
      const transaction = open(async (tx) => {
        await work(tx);
        resolve();
        await ends;
      });
      transaction.catch(reject);
      begun.push(transaction);
    });
  try {
    await inTransaction(writing.promise, (tx) => reserve(tx, "writer", { sku, quantity: 1, chunk }));
    await inTransaction(leasing.promise, (tx) => lease(tx, { chunk: `${sku}-first`, gateway: "g1", sku, units: 3 }));
    const queue = Promise.all([1, 2, 3, 4].map((n) => lease(db, { chunk: `${sku}-${n}`, gateway: "g1", sku, units: 3 })));
    queue.catch(() => undefined);
    await untilWaiting(4);
    leasing.resolve();
    assert.deepEqual(await queue, [3, 3, 3, 3]);
  } finally {
    leasing.resolve();
    writing.resolve();
    await Promise.all(begun);
  }
  assert.equal((await checkBooks(stock, sku)).free, 100 - 3 - 5 * 3);
});

test("an order has its units from its chunk, while that has room; else from what is free; else not at all", async () => {
  const { sku, chunk } = await leased(6, 3);
  for (const _ of [1, 2]) assert.equal(await ask("a", sku, 2, chunk), "held");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 6, free: 3, leased: 1, held: 2, sold: 0 });
  assert.equal(await ask("b", sku, 2, chunk), "held");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 6, free: 1, leased: 1, held: 4, sold: 0 });
  assert.equal(await ask("c", sku, 2, chunk), "sold-out");
  assert.equal(await ask("d", sku, 1, "a-chunk-that-a-failover-erased"), "held");
  assert.equal(await ask("e", sku, 1, chunk), "held");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 6, free: 0, leased: 0, held: 6, sold: 0 });
});

test("a chunk of another item gives nothing", async () => {
  const { chunk } = await leased(5, 5);
  const sku = await item(0);
  assert.equal(await ask("stranger", sku, 1, chunk), "sold-out");
});

test("units that come back go to what is free, not to the chunk", async () => {
  const { sku, chunk } = await leased(4, 4);
  for (const orderId of ["released", "refunded"]) await ask(orderId, sku, 2, chunk);
  await open((tx) => release(tx, "released"));
  await open((tx) => sell(tx, "refunded"));
  assert.deepEqual(await checkBooks(stock, sku), { initial: 4, free: 2, leased: 0, held: 0, sold: 2 });
  await open((tx) => restock(tx, "refunded"));
  assert.deepEqual(await checkBooks(stock, sku), { initial: 4, free: 4, leased: 0, held: 0, sold: 0 });
});

test("many want a small chunk and few units more, each twice: never oversold", async () => {
  const { sku, chunk } = await leased(20, 12);
  const orders = Array.from({ length: 60 }, (_, n) => [`${sku}-${n}`, 1 + (n % 3)] as const);
  await Promise.all(orders.flatMap(([orderId, quantity]) => [1, 2].map(() => ask(orderId, sku, quantity, chunk))));
  assert.deepEqual(await checkBooks(stock, sku), { initial: 20, free: 0, leased: 0, held: 20, sold: 0 });
});

test("a heartbeat is for this gateway's open chunks only, and says which these are", async () => {
  const { chunk } = await leased(5, 5);
  const { chunk: ended } = await leased(5, 5);
  await end(db, [ended]);
  const beats = async () => (await unclosed(db)).filter(({ id }) => id === chunk || id === ended).map(({ id, beat }) => [id, beat]);
  assert.deepEqual(await renew(db, "g1", [chunk, ended, "unknown"]), [chunk]);
  assert.deepEqual(await renew(db, "g2", [chunk]), []);
  assert.deepEqual(await beats(), [[chunk, "1"], [ended, "0"]]);
  assert.equal(await endSilent(db, chunk, "0"), false, "it was heard");
  assert.deepEqual(await renew(db, "g1", [chunk]), [chunk]);
  assert.equal(await endSilent(db, chunk, "2"), true);
  assert.equal(await endSilent(db, chunk, "2"), false);
  assert.deepEqual(await renew(db, "g1", [chunk]), []);
});

test("a closing chunk still gives to orders on their way; what they may need is kept, the rest returns once", async () => {
  const { sku, chunk } = await leased(10, 10);
  await ask("early", sku, 2, chunk);
  for (const _ of [1, 2]) await end(db, [chunk]);
  const listed = [{ orderId: "early", quantity: 2 }, { orderId: "late", quantity: 3 }, { orderId: "dropped", quantity: 1 }];
  assert.deepEqual(await settle(db, chunk, listed), { kind: "kept", returned: 4 });
  assert.deepEqual(await settle(db, chunk, listed), { kind: "kept", returned: 0 });
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 4, leased: 4, held: 2, sold: 0 });
  assert.equal(await ask("late", sku, 3, chunk), "held");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 4, leased: 1, held: 5, sold: 0 });
  assert.deepEqual(await settle(db, chunk, listed.slice(0, 2)), { kind: "closed", returned: 1 });
  assert.deepEqual(await settle(db, chunk, []), { kind: "gone", returned: 0 });
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 5, leased: 0, held: 5, sold: 0 });
});

test("a reserve that comes after its chunk is closed has units from what is free", async () => {
  const { sku, chunk } = await leased(2, 2);
  await end(db, [chunk]);
  assert.deepEqual(await settle(db, chunk, []), { kind: "closed", returned: 2 });
  assert.equal(await ask("too-late", sku, 2, chunk), "held");
  assert.equal(await ask("later-still", sku, 1, chunk), "sold-out");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 2, free: 0, leased: 0, held: 2, sold: 0 });
});

test("an open chunk is not settled, and a list that asks for more than there is keeps all", async () => {
  const { sku, chunk } = await leased(3, 3);
  assert.deepEqual(await settle(db, chunk, []), { kind: "gone", returned: 0 });
  await end(db, [chunk]);
  assert.deepEqual(await settle(db, chunk, [{ orderId: "greedy", quantity: 9 }]), { kind: "kept", returned: 0 });
  assert.equal(await stateOf(chunk), "closing");
  assert.equal((await checkBooks(stock, sku)).leased, 3);
});

test("reserves and settlements of one chunk at once: books add up, and in the end all is home", async () => {
  const { sku, chunk } = await leased(40, 30);
  const orders = Array.from({ length: 25 }, (_, n) => ({ orderId: `${sku}-${n}`, quantity: 1 }));
  await end(db, [chunk]);
  await Promise.all(orders.flatMap(({ orderId }, n) => [ask(orderId, sku, 1, chunk), settle(db, chunk, orders.slice(n))]));
  const { held } = await checkBooks(stock, sku);
  assert.equal(held, 25);
  await settle(db, chunk, orders);
  assert.equal(await stateOf(chunk), "closed");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 40, free: 15, leased: 0, held: 25, sold: 0 });
});
