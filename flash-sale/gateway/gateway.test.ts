import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { orderIdOf } from "./desk/order-id.ts";
import { ADMIN_TOKEN, gatewayBetween, LAMP, posting, until, type GatewayUnderTest } from "./stand-ins/gateway.ts";
import { ordersStandIn, stockStandIn, type OrdersStandIn, type StockStandIn } from "./stand-ins/stand-ins.ts";

let orders: OrdersStandIn;
let stock: StockStandIn;
let gateway: GatewayUnderTest;
/** The gateway's clock; it stands still until it is moved. */
let now: number;
const clock = (): number => now;
beforeEach(async () => {
  now = 1_000;
  [orders, stock] = await Promise.all([ordersStandIn(), stockStandIn()]);
  orders.sales.set("lamp", LAMP);
  stock.free.set("lamp", 100);
  gateway = await gatewayBetween([orders], stock, { clock });
});
afterEach(async () => {
  await gateway.close();
  await Promise.all([orders.close(), stock.close()]);
});

const idOf = (buyer: string, requestId = "r1"): string => orderIdOf("lamp", buyer, requestId);
const restart = async (): Promise<void> => {
  await gateway.close();
  gateway = await gatewayBetween([orders], stock, { clock });
};
/** Units that a gateway and the stock have not promised, told by buying them all. */
const unitsLeft = async (): Promise<number> => {
  for (let bought = 0; ; bought += 1) {
    const said = await gateway.buy({ buyer: `rest-${bought}` });
    if (said.body["kind"] === "sold-out") return bought;
    assert.equal(said.status, 202, JSON.stringify(said.body));
  }
};

describe("the same request", () => {
  it("50 times at once is one placement, one answer", async () => {
    const open = Promise.withResolvers<void>();
    orders.gate = open.promise;
    const answers = Array.from({ length: 50 }, () => gateway.buy({}));
    await until("it is placed", () => orders.placements.length > 0);
    open.resolve();
    for (const { status, body } of await Promise.all(answers)) assert.deepEqual([status, body], [202, { kind: "accepted", orderId: idOf("ada") }]);
    assert.equal(orders.placements.length, 1);
    assert.equal(orders.placements[0]?.chunk, "chunk-1");
  });

  it("has the same order when all is sold out, and after a restart", async () => {
    stock.free.set("lamp", 2);
    const first = await gateway.buy({ quantity: 2 });
    assert.equal((await gateway.buy({ buyer: "bob" })).body["kind"], "sold-out");
    assert.deepEqual((await gateway.buy({ quantity: 2 })).body, first.body);
    await restart();
    assert.equal((await gateway.buy({ buyer: "bob" })).body["kind"], "sold-out");
    assert.deepEqual((await gateway.buy({ quantity: 2 })).body, first.body);
    assert.equal(orders.placements.length, 1);
  });

  it("has the order that another gateway placed", async () => {
    stock.free.set("lamp", 1);
    assert.equal((await gateway.buy({ buyer: "bob" })).status, 202);
    orders.rows.push({ orderId: idOf("cleo"), sku: "lamp", buyer: "cleo", requestId: "r1", quantity: 1, chunk: null, state: "paid" });
    await until("it has been heard of", async () => (await gateway.buy({ buyer: "cleo" })).status === 202);
    assert.equal((await gateway.buy({ buyer: "dan" })).body["kind"], "sold-out");
  });

  it("with another quantity is a conflict: meanwhile, afterwards, and after a restart", async () => {
    const open = Promise.withResolvers<void>();
    orders.gate = open.promise;
    const first = gateway.buy({});
    await until("it is placed", () => orders.placements.length > 0);
    const conflicts = [await gateway.buy({ quantity: 2 })];
    open.resolve();
    assert.equal((await first).status, 202);
    conflicts.push(await gateway.buy({ quantity: 2 }));
    await restart();
    conflicts.push(await gateway.buy({ quantity: 2 }));
    assert.deepEqual(conflicts.map(({ status, body }) => [status, body["code"]]), Array.from({ length: 3 }, () => [409, "other-quantity"]));
    assert.equal(orders.placements.length, 1);
  });

  it("that the ledger knows with another quantity is a conflict, and its units go back", async () => {
    stock.free.set("lamp", 5);
    orders.placing = { kind: "conflict" };
    assert.deepEqual((await gateway.buy({})).body["code"], "other-quantity");
    orders.placing = "answered";
    assert.equal(await unitsLeft(), 5);
  });
});

describe("a placement that nobody answers", () => {
  it("is unknown, then the order that it became", async () => {
    stock.free.set("lamp", 5);
    [orders.placing, orders.settling] = ["lost", "lost"];
    const said = await gateway.buy({});
    assert.deepEqual([said.status, said.body["kind"], said.body["orderId"], said.headers.get("retry-after")], [503, "unknown", idOf("ada"), "1"]);
    assert.equal((await gateway.buy({})).body["kind"], "unknown", "still");
    assert.equal((await gateway.buy({ quantity: 2 })).body["kind"], "conflict");
    assert.equal(orders.placements.length, 1, "it is not placed again while it may be given up");
    [orders.placing, orders.settling] = ["answered", "answered"];
    await until("it is settled", async () => (await gateway.buy({})).status === 202);
    assert.equal(orders.placements.length, 1);
    assert.equal(await unitsLeft(), 4);
  });

  it("is unknown, then never placed: its units go back, its request id is given up", async () => {
    stock.free.set("lamp", 5);
    [orders.placing, orders.settling] = ["dropped", "lost"];
    assert.equal((await gateway.buy({})).body["kind"], "unknown");
    orders.placing = "answered";
    // Its unit is not sold to anybody yet, though nobody has it.
    assert.equal(await unitsLeft(), 4);
    orders.settling = "answered";
    await until("it is settled", async () => (await gateway.buy({})).body["code"] === "never-placed");
    now += 300;
    assert.equal((await gateway.buy({ buyer: "bob" })).status, 202);
    assert.equal((await gateway.buy({ buyer: "cleo" })).body["kind"], "sold-out");
  });

  it("is asked of the next worker, and is not read as refused when that one refuses", async () => {
    const other = await ordersStandIn();
    const two = await gatewayBetween([orders, other], stock, { clock });
    try {
      other.sales.set("lamp", LAMP);
      for (const refusal of ["limited", "closed", "overloaded"] as const) {
        const before = orders.placements.length + other.placements.length;
        // Whoever is asked first loses it; the second one knows nothing of it.
        for (const [first, second] of [[orders, other], [other, orders]] as const) first.placing = second.placing = { kind: refusal };
        const open = Promise.withResolvers<void>();
        orders.gate = other.gate = open.promise;
        const answer = two.buy({ buyer: refusal });
        await until("one of them is asked", () => orders.placements.length + other.placements.length > before);
        const first = orders.placements.at(-1)?.buyer === refusal ? orders : other;
        first.placing = "lost";
        open.resolve();
        assert.equal((await answer).body["kind"], "unknown", refusal);
        now += 2_000;
      }
    } finally {
      await two.close();
      await other.close();
    }
  });

  it("goes to the other worker when one is not there at all", async () => {
    const gone = await ordersStandIn();
    await gone.close();
    const two = await gatewayBetween([gone, orders], stock, { clock });
    try {
      for (const buyer of ["ada", "bob", "cleo"]) assert.equal((await two.buy({ buyer })).status, 202);
      orders.placing = { kind: "limited" };
      now += 2_000;
      for (const buyer of ["dan", "eve"]) assert.equal((await two.buy({ buyer })).body["code"], "buyer-limit", "a question that was never sent is no doubt");
    } finally {
      await two.close();
    }
  });
});

describe("what is refused after units were promised gives them back", () => {
  const table = [
    ["limited", 409, "buyer-limit"],
    ["closed", 403, "closed"],
    ["overloaded", 503, "overloaded"],
    ["never-placed", 409, "never-placed"],
  ] as const;
  for (const [kind, status, code] of table) {
    it(kind, async () => {
      stock.free.set("lamp", 3);
      orders.placing = { kind };
      for (const buyer of ["ada", "bob", "cleo", "dan"]) {
        const said = await gateway.buy({ buyer });
        assert.deepEqual([said.status, said.body["code"]], [status, code]);
      }
      orders.placing = "answered";
      assert.equal(await unitsLeft(), 3);
    });
  }
});

describe("limits", () => {
  it("a rate for each buyer, wherever he asks from, and one for each address, whoever asks; headers change neither", async () => {
    await gateway.close();
    gateway = await gatewayBetween([orders], stock, { clock, ratePerSecond: 1, rateBurst: 3 });
    orders.sales.set("lamp", { ...LAMP, limitPerBuyer: 10 });
    const ada = [];
    for (let at = 1; at <= 5; at += 1) ada.push((await gateway.buyFrom(`10.0.0.${at}`, "ada")).status);
    assert.deepEqual(ada, [202, 202, 202, 429, 429]);
    const address = [];
    for (let at = 1; at <= 5; at += 1) address.push((await gateway.buyFrom("10.1.0.1", `b${at}`, { "x-forwarded-for": `10.2.0.${at}`, forwarded: `for=10.2.0.${at}` })).status);
    assert.deepEqual(address, [202, 202, 202, 429, 429]);
    assert.equal(orders.placements.length, 6);
    now += 1_000;
    assert.deepEqual([(await gateway.buyFrom("10.0.0.9", "ada")).status, (await gateway.buyFrom("10.0.0.9", "ada")).code], [202, "too-often"]);
  });

  it("429 says how long to wait; a repeat that is known costs nothing of the buyer's", async () => {
    await gateway.close();
    gateway = await gatewayBetween([orders], stock, { clock, ratePerSecond: 0.5, rateBurst: 1 });
    assert.equal((await gateway.buy({})).status, 202);
    const refused = await gateway.buy({});
    assert.deepEqual([refused.status, refused.body["kind"], refused.headers.get("retry-after")], [429, "limited", "2"]);
    now += 2_000;
    assert.equal((await gateway.buy({})).status, 202);
    assert.equal((await gateway.buyFrom("10.0.0.1", "ada")).status, 202, "her one token is still there");
    assert.equal((await gateway.buyFrom("10.0.0.2", "ada")).code, "too-often");
  });

  it("the ledger decides on a buyer's units; memory refuses only what it has just heard of", async () => {
    assert.equal((await gateway.buy({ quantity: 2 })).status, 202);
    const asked = orders.placements.length;
    assert.equal((await gateway.buy({ requestId: "r2" })).body["code"], "buyer-limit");
    assert.equal(orders.placements.length, asked);
    // The order was given up, of which the gateway has not heard.
    now += 3_000;
    assert.equal((await gateway.buy({ requestId: "r3" })).status, 202);
    assert.equal((await gateway.buy({ buyer: "bob", quantity: 3 })).body["code"], "buyer-limit", "more than anybody may have");
  });

  it("whoever cancels may buy again at once", async () => {
    const { body } = await gateway.buy({ quantity: 2 });
    assert.equal((await gateway.buy({ requestId: "r2" })).body["code"], "buyer-limit");
    const cancelled = await gateway.ask(`/purchases/${String(body["orderId"])}/cancel`, { method: "POST" });
    assert.deepEqual([cancelled.status, cancelled.body["state"]], [200, "cancelled"]);
    assert.equal((await gateway.buy({ requestId: "r2" })).status, 202);
  });

  it("a sale that is over, or not begun, is closed; one that is not known is 404, for a second", async () => {
    orders.sales.set("old", { ...LAMP, sku: "old", closesAt: 1 });
    orders.sales.set("new", { ...LAMP, sku: "new", opensAt: LAMP.closesAt - 1 });
    for (const sku of ["old", "new"]) assert.deepEqual((await gateway.buy({ sku })).status, 403);
    const asked = orders.asked.length;
    for (let at = 0; at < 5; at += 1) assert.equal((await gateway.buy({ sku: "none" })).body["code"], "no-such-sale");
    assert.equal(orders.asked.filter((path, index) => index >= asked && path === "/orders/sale").length, 1);
    orders.sales.set("none", { ...LAMP, sku: "none" });
    stock.free.set("none", 1);
    now += 1_001;
    assert.equal((await gateway.buy({ sku: "none" })).status, 202);
    assert.deepEqual(orders.placements.map(({ sku }) => sku), ["none"]);
  });
});

describe("the sale", () => {
  it("is opened with the admin's token, units first, and sells at once", async () => {
    const sale = { ...LAMP, sku: "rug", units: 7 };
    assert.equal((await gateway.buy({ sku: "rug" })).status, 404);
    for (let time = 0; time < 2; time += 1) {
      const said = await gateway.ask("/sales", posting(sale, { authorization: `Bearer ${ADMIN_TOKEN}` }));
      assert.deepEqual([said.status, said.body], [200, { kind: "open", sku: "rug" }]);
    }
    assert.deepEqual([orders.sales.get("rug"), stock.free.get("rug")], [sale, 7]);
    assert.equal((await gateway.buy({ sku: "rug" })).status, 202);
  });

  it("is not opened again with other units, and says so: to ask once more would not help", async () => {
    const ask = (units: number) => gateway.ask("/sales", posting({ ...LAMP, sku: "mat", units }, { authorization: `Bearer ${ADMIN_TOKEN}` }));
    assert.equal((await ask(7)).status, 200);
    const { status, body } = await ask(8);
    assert.deepEqual([status, body["kind"], body["code"]], [409, "conflict", "other-terms"]);
  });

  it("leaves a quarter of an hour to pay, where it does not say otherwise", async () => {
    const { paymentWindowMs: _, ...sale } = { ...LAMP, sku: "hat" };
    assert.equal((await gateway.ask("/sales", posting(sale, { authorization: `Bearer ${ADMIN_TOKEN}` }))).status, 200);
    assert.equal(orders.sales.get("hat")?.paymentWindowMs, 900_000);
  });

  it("is shown with what remains, about, and what is known of each order", async () => {
    const { body: { orderId } } = await gateway.buy({});
    const { status, body } = await gateway.ask("/sales/lamp");
    assert.equal(status, 200);
    assert.deepEqual([body["open"], body["cents"], body["limitPerBuyer"], body["remaining"], body["remainingIs"], body["counts"]], [true, 2_500, 2, 100, "approximate", { placed: 1, paid: 0, unitsSold: 0 }]);
    assert.equal((await gateway.ask("/sales/none")).status, 404);
    const shown = await gateway.ask(`/purchases/${String(orderId)}`);
    assert.deepEqual([shown.status, shown.body["state"], shown.body["timeline"]], [200, "placed", [{ at: 1, what: "placed" }]]);
    assert.deepEqual((await gateway.ask("/purchases/states", posting({ orderIds: [orderId, idOf("nobody")] }))).body, { kind: "states", states: { [String(orderId)]: "placed" } });
    assert.equal((await gateway.ask(`/purchases/${idOf("nobody")}`)).status, 404);
  });

  it("is answered overloaded when no worker answers, and nothing has happened", async () => {
    await orders.close();
    const said = await gateway.buy({});
    assert.deepEqual([said.status, said.body["kind"], said.headers.get("retry-after")], [503, "overloaded", "1"]);
    assert.equal((await gateway.ask(`/purchases/${idOf("ada")}`)).body["kind"], "overloaded");
    assert.equal((await gateway.ask(`/purchases/${idOf("ada")}/cancel`, { method: "POST" })).body["kind"], "unknown");
    orders = await ordersStandIn();
  });
});

it("the page is served under a policy that lets nothing in from elsewhere", async () => {
  const response = await fetch(gateway.url);
  assert.match(await response.text(), /<title>Flash sale<\/title>/);
  assert.match(response.headers.get("content-security-policy") ?? "", /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; connect-src 'self';/);
  assert.equal((await gateway.ask("/health")).body["kind"], "ok");
});
