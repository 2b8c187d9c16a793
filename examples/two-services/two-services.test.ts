import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readBooks } from "./books.ts";
import { openShop, type Shop } from "./shop.ts";
import { adaBuysTwo, bobHasTooLittle, cleoBuysWhileTheStockDies, fill } from "./story.ts";

let shop: Shop;
before(async () => {
  shop = await openShop();
  await fill(shop);
});
after(() => shop.close());

// One shop, three days of it: each test goes on where the one before ended.

test("a purchase that commits: units, money, order and message, each once", async () => {
  const { kind } = await adaBuysTwo(shop);
  assert.equal(kind, "committed");
  assert.deepEqual(await readBooks(shop), {
    lampsFree: 8,
    lampsHeld: 2,
    orders: 1,
    unitsOrdered: 2,
    messages: 1,
    cents: { ada: 4_000, bob: 1_000, cleo: 4_000 },
    centsHeld: 0,
  });
});

test("a purchase that the payment refuses leaves nothing behind", async () => {
  const earlier = await readBooks(shop);
  const ended = await bobHasTooLittle(shop);
  assert.equal(ended.kind, "rolled-back");
  assert.deepEqual(await readBooks(shop), earlier);
  // Not by luck: the lamp was reserved, and given back.
  assert.deepEqual(await opsOf(ended.gid), [
    { branch: "reserve", op: "action" },
    { branch: "reserve", op: "compensate" },
  ]);
});

test("a stock that is killed in mid-call has reserved once when all is over", async () => {
  const ended = await cleoBuysWhileTheStockDies(shop, () => undefined);
  assert.equal(ended.kind, "committed");
  assert.deepEqual(await readBooks(shop), {
    lampsFree: 7,
    lampsHeld: 3,
    orders: 2,
    unitsOrdered: 3,
    messages: 2,
    cents: { ada: 4_000, bob: 1_000, cleo: 1_500 },
    centsHeld: 0,
  });
  assert.deepEqual(await opsOf(ended.gid), [{ branch: "reserve", op: "action" }]);
});

test("`npm start` tells the story and ends with 0", () => {
  const file = fileURLToPath(new URL("./main.ts", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, file], { encoding: "utf8", timeout: 120_000 });
  assert.equal(status, 0, stderr);
});

/** What the stock's barrier has let through for one transaction. */
async function opsOf(gid: string): Promise<unknown[]> {
  const { rows } = await shop.databases.stock.query(`select branch, op from tripact.barrier where gid = $1 and state = 'done' order by op`, [gid]);
  return rows;
}
