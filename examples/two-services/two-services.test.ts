import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { httpSink } from "tripact/events";
import { createRelay, postgresOutboxLog } from "tripact/relay";
import { readBooks, readMails } from "./books.ts";
import { openShop, type Shop } from "./shop.ts";
import { adaBuysTwo, bobHasTooLittle, cleoBuysWhileTheStockDies, danBuysWhileTheMailerDies, fill, untilMails } from "./story.ts";

let shop: Shop;
before(async () => {
  shop = await openShop();
  await fill(shop);
});
after(() => shop.close());

// One shop, four days of it: each test goes on where the one before ended.

test("a purchase that commits: units, money, order and message, each once", async () => {
  const { kind } = await adaBuysTwo(shop);
  assert.equal(kind, "committed");
  assert.deepEqual(await readBooks(shop), {
    lampsFree: 8,
    lampsHeld: 2,
    orders: 1,
    unitsOrdered: 2,
    messages: 1,
    cents: { ada: 4_000, bob: 1_000, cleo: 4_000, dan: 8_000 },
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
    cents: { ada: 4_000, bob: 1_000, cleo: 1_500, dan: 8_000 },
    centsHeld: 0,
  });
  assert.deepEqual(await opsOf(ended.gid), [{ branch: "reserve", op: "action" }]);
});

test("events of two services reach a mailer that was killed meanwhile, each once", async () => {
  await untilMails(shop, 2); // Ada's and Cleo's
  const ended = await danBuysWhileTheMailerDies(shop, () => undefined);
  assert.equal(ended.kind, "committed");
  const { lampsFree, orders, messages } = await readBooks(shop);
  assert.deepEqual({ lampsFree, orders, messages }, { lampsFree: 4, orders: 3, messages: 4 });
  // Bob's order was never placed, so nobody has heard of it.
  const mails = ["ada: your order: 2 lamp", "cleo: your order: 1 lamp", "dan: your order: 3 lamp", "purchasing: only 4 lamp left"];
  assert.deepEqual(await readMails(shop), mails);
  assert.equal(await deliverOrdersAgain(), 3);
  assert.deepEqual(await readMails(shop), mails);
});

test("`npm run example` tells the story and ends with 0", () => {
  const file = fileURLToPath(new URL("./main.ts", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, file], { encoding: "utf8", timeout: 120_000 });
  assert.equal(status, 0, stderr);
});

/** A subscription that is new to an outbox begins at its oldest message: so the mailer gets what it has had. Returns how many it took. */
async function deliverOrdersAgain(): Promise<number> {
  const sink = httpSink(shop.mailer.address);
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let taken = 0;
  const relay = await createRelay({
    log: postgresOutboxLog({ url: String(shop.databases.orders.options.connectionString) }),
    source: "shop/orders",
    subscriptions: [
      {
        name: "once-more",
        sink: {
          ...sink,
          async deliver(messages, signal) {
            const receipts = await sink.deliver(messages, signal);
            taken += receipts.filter(({ kind }) => kind === "done").length;
            if (taken >= 3) resolve();
            return receipts;
          },
        },
      },
    ],
  });
  await all;
  await relay.stop();
  return taken;
}

/** What the stock's barrier has let through for one transaction. */
async function opsOf(gid: string): Promise<unknown[]> {
  const { rows } = await shop.databases.stock.query(`select branch, op from tripact.barrier where gid = $1 and state = 'done' order by op`, [gid]);
  return rows;
}
