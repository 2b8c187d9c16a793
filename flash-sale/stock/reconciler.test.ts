import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase, startProxy } from "@tripact/testbed";
import type { SqlExecutor } from "tripact/barrier";
import type { Order } from "../contracts.ts";
import { NotTaken, Unknown } from "../service/ask.ts";
import { openPool } from "../service/database.ts";
import { checkBooks, openTestStock } from "./books.fixture.ts";
import { end, lease, renew } from "./chunks.ts";
import { openItem, reserve } from "./ledger.ts";
import { openReconciler, type Reconciler, type ReconcilerOptions } from "./reconciler.ts";

const stock = await openTestStock(await freshDatabase("stock_reconciler"));
after(() => stock.drop());
const { open, db } = stock;

type Listed = Pick<Order, "orderId" | "quantity">;

/** The workers, as far as a reconciler sees them, and a clock that moves when it is told to. */
class World {
  ms = 0;
  readonly asked: string[] = [];
  readonly errors: unknown[] = [];
  /** By chunk: the orders on their way, or why there is no answer. */
  readonly listed = new Map<string, readonly Listed[] | Error>();

  reconciler(options: Partial<ReconcilerOptions> = {}): Reconciler {
    const openOrdersOf = async (chunk: string): Promise<readonly Listed[]> => {
      this.asked.push(chunk);
      const answer = this.listed.get(chunk) ?? [];
      if (answer instanceof Error) throw answer;
      return answer;
    };
    return openReconciler({ db, openOrdersOf, leaseMs: 3_000, nowMs: () => this.ms, onError: (error) => void this.errors.push(error), ...options });
  }

  /** Rounds, half a second apart. */
  async pass(ms: number, reconcilers: readonly Reconciler[], between?: () => Promise<unknown>): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.ms += 500;
      await Promise.all(reconcilers.map((one) => one.round()));
      await between?.();
    }
  }
}

let items = 0;
async function leased(units: number, chunkUnits: number): Promise<{ readonly sku: string; readonly chunk: string }> {
  await stock.pool.query("update chunk set returned = leased - reserved, state = 'closed' where state <> 'closed'"); // Of the tests before.
  const sku = `item-${(items += 1)}`;
  await openItem(db, sku, units);
  const chunk = `${sku}-chunk`;
  await lease(db, { chunk, gateway: "g1", sku, units: chunkUnits });
  return { sku, chunk };
}
const ask = (orderId: string, sku: string, chunk: string) => open((tx) => reserve(tx, orderId, { sku, quantity: 1, chunk }));
const stateOf = async (chunk: string): Promise<unknown> => (await db.execute(`select state from chunk where id = $1`, [chunk])).rows[0]?.["state"];

test("while its gateway is heard a chunk stays open", async () => {
  const { chunk } = await leased(10, 10);
  const world = new World();
  await world.pass(20_000, [world.reconciler()], () => renew(db, "g1", [chunk]));
  assert.equal(await stateOf(chunk), "open");
  assert.deepEqual(world.asked, []);
});

test("a gateway that is paused: its units return once, though two look after them; what it has promised is kept", async () => {
  const { sku, chunk } = await leased(10, 8);
  await ask("reserved", sku, chunk);
  const world = new World();
  world.listed.set(chunk, [{ orderId: "reserved", quantity: 1 }, { orderId: "on-its-way", quantity: 1 }]);
  const both = [world.reconciler(), world.reconciler()];
  await world.pass(3_000, both);
  assert.equal(await stateOf(chunk), "open");
  await world.pass(500, both);
  assert.equal(await stateOf(chunk), "closing");
  // The gateway wakes: it is told that it may not sell from this any more.
  assert.deepEqual(await renew(db, "g1", [chunk]), []);
  await world.pass(4_000, both);
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 8, leased: 1, held: 1, sold: 0 });
  assert.equal(await ask("on-its-way", sku, chunk), "held");
  await world.pass(1_000, both);
  assert.equal(await stateOf(chunk), "closed");
  assert.deepEqual(await checkBooks(stock, sku), { initial: 10, free: 8, leased: 0, held: 2, sold: 0 });
});

test("what was kept for an order that never reserves returns when the order is over", async () => {
  const { sku, chunk } = await leased(5, 5);
  await end(db, [chunk]);
  const world = new World();
  const one = [world.reconciler()];
  world.listed.set(chunk, [{ orderId: "declined-early", quantity: 2 }]);
  await world.pass(10_000, one);
  assert.deepEqual(await checkBooks(stock, sku), { initial: 5, free: 3, leased: 2, held: 0, sold: 0 });
  world.listed.set(chunk, []);
  await world.pass(1_000, one);
  assert.equal(await stateOf(chunk), "closed");
  assert.equal((await checkBooks(stock, sku)).free, 5);
});

test("a first answer ends the chunk for placements; a placement that had begun is in the one that counts", async () => {
  const { sku, chunk } = await leased(5, 5);
  await end(db, [chunk]);
  const world = new World();
  const one = [world.reconciler()];
  while (world.asked.length === 0) await world.pass(500, one);
  world.listed.set(chunk, [{ orderId: "committed-just-after", quantity: 1 }]);
  await world.pass(3_000, one);
  assert.deepEqual(await checkBooks(stock, sku), { initial: 5, free: 4, leased: 1, held: 0, sold: 0 });
});

test("while no worker answers nothing returns, and one error is told; then it goes on", async () => {
  const { sku, chunk } = await leased(5, 5);
  await end(db, [chunk]);
  const world = new World();
  world.listed.set(chunk, new Unknown("/orders/end-chunk", "away"));
  const one = [world.reconciler()];
  await world.pass(20_000, one);
  assert.deepEqual(await checkBooks(stock, sku), { initial: 5, free: 0, leased: 5, held: 0, sold: 0 });
  assert.ok(world.asked.length > 10);
  assert.equal(world.errors.length, 1);
  world.listed.set(chunk, []);
  await world.pass(3_000, one);
  assert.equal((await checkBooks(stock, sku)).free, 5);
});

test("a chunk that the workers take no question about holds up no other", async () => {
  const { sku, chunk } = await leased(5, 2);
  await lease(db, { chunk: "fine", gateway: "g1", sku, units: 3 });
  await end(db, [chunk, "fine"]);
  const world = new World();
  world.listed.set(chunk, new NotTaken("/orders/end-chunk", 400, "odd"));
  await world.pass(6_000, [world.reconciler()]);
  assert.deepEqual([await stateOf(chunk), await stateOf("fine")], ["closing", "closed"]);
});

test("a chunk that is reserved to the last unit closes without a question", async () => {
  const { sku, chunk } = await leased(1, 1);
  await ask("the-last", sku, chunk);
  await end(db, [chunk]);
  const world = new World();
  world.listed.set(chunk, new Unknown("/orders/end-chunk", "away"));
  await world.pass(500, [world.reconciler()]);
  assert.equal(await stateOf(chunk), "closed");
  assert.deepEqual(world.asked, []);
});

test("the loop goes on after an outage of its database, and stops twice without harm", async () => {
  const { sku, chunk } = await leased(4, 4);
  await end(db, [chunk]);
  const proxy = await startProxy({ target: { host: new URL(stock.url).hostname, port: Number(new URL(stock.url).port) } });
  const url = new URL(stock.url);
  url.port = String(proxy.port);
  const pool = openPool(url.href, "through-proxy");
  const through: SqlExecutor = { execute: (text, values) => pool.query(text, [...values]) };
  const world = new World();
  const reconciler = world.reconciler({ db: through, graceMs: 0, intervalMs: 5, nowMs: () => performance.now() });
  await proxy.reset();
  try {
    reconciler.start();
    reconciler.start();
    await until(async () => world.errors.length > 0);
    assert.equal((await checkBooks(stock, sku)).free, 0);
    await proxy.pass();
    await until(async () => (await stateOf(chunk)) === "closed");
    assert.equal((await checkBooks(stock, sku)).free, 4);
    assert.equal(world.errors.length, 1);
  } finally {
    await Promise.all([reconciler.stop(), reconciler.stop()]);
    await reconciler.stop();
    await pool.end();
    await proxy.close();
  }
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const capMs = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < capMs, "it never came to be");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
