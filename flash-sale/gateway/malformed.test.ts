import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { ADMIN_TOKEN, gatewayBetween, LAMP, posting, type GatewayUnderTest } from "./stand-ins/gateway.ts";
import { ordersStandIn, stockStandIn, type OrdersStandIn, type StockStandIn } from "./stand-ins/stand-ins.ts";

let orders: OrdersStandIn;
let stock: StockStandIn;
let gateway: GatewayUnderTest;
before(async () => {
  [orders, stock] = await Promise.all([ordersStandIn(), stockStandIn()]);
  orders.sales.set("lamp", LAMP);
  stock.free.set("lamp", 100);
  gateway = await gatewayBetween([orders], stock);
});
after(async () => {
  await gateway.close();
  await Promise.all([orders.close(), stock.close()]);
});

const good = { buyer: "ada", quantity: 1, requestId: "r1" };
const buying = (body: unknown): RequestInit => posting(body);
const raw = (body: string, contentType = "application/json"): RequestInit => ({ method: "POST", headers: { "content-type": contentType }, body });
const orderId = "0123456789abcdef0123456789abcdef";
const sale = { ...LAMP, sku: "new" };
const admin = { authorization: `Bearer ${ADMIN_TOKEN}` };
const purchases = "/sales/lamp/purchases";

const table: readonly (readonly [what: string, path: string, init: RequestInit, status: number, code: string, where: string])[] = [
  ["bad JSON", purchases, raw('{"buyer":'), 400, "bad-json", "body"],
  ["an empty body", purchases, raw(""), 400, "empty-body", "body"],
  ["JSON that sets a prototype", purchases, raw('{"buyer":"ada","quantity":1,"requestId":"r","__proto__":{"a":1}}'), 400, "bad-json", "body"],
  ["no body at all", purchases, { method: "POST" }, 400, "invalid-field", "body"],
  ["text", purchases, raw(JSON.stringify(good), "text/plain"), 415, "not-json", "header/content-type"],
  ["a form", purchases, raw("buyer=ada", "application/x-www-form-urlencoded"), 415, "not-json", "header/content-type"],
  ["too large a body", purchases, buying({ ...good, buyer: "a".repeat(9_000) }), 413, "too-large", "body"],
  ["an array", purchases, buying([good]), 400, "invalid-field", "body"],
  ["null", purchases, buying(null), 400, "invalid-field", "body"],
  ["an unknown field", purchases, buying({ ...good, price: 1 }), 400, "unknown-field", "body"],
  ["no buyer", purchases, buying({ quantity: 1, requestId: "r1" }), 400, "missing-field", "body/buyer"],
  ["no quantity", purchases, buying({ buyer: "ada", requestId: "r1" }), 400, "missing-field", "body/quantity"],
  ["no request id", purchases, buying({ buyer: "ada", quantity: 1 }), 400, "missing-field", "body/requestId"],
  ["quantity zero", purchases, buying({ ...good, quantity: 0 }), 400, "invalid-field", "body/quantity"],
  ["a negative quantity", purchases, buying({ ...good, quantity: -1 }), 400, "invalid-field", "body/quantity"],
  ["a fraction", purchases, buying({ ...good, quantity: 1.5 }), 400, "invalid-field", "body/quantity"],
  ["eleven", purchases, buying({ ...good, quantity: 11 }), 400, "invalid-field", "body/quantity"],
  ["a number without end", purchases, raw('{"buyer":"ada","quantity":1e999,"requestId":"r1"}'), 400, "invalid-field", "body/quantity"],
  ["a quantity in quotes", purchases, buying({ ...good, quantity: "1" }), 400, "invalid-field", "body/quantity"],
  ["quantity true", purchases, buying({ ...good, quantity: true }), 400, "invalid-field", "body/quantity"],
  ["quantity null", purchases, buying({ ...good, quantity: null }), 400, "invalid-field", "body/quantity"],
  ["a list of one quantity", purchases, buying({ ...good, quantity: [1] }), 400, "invalid-field", "body/quantity"],
  ["an empty buyer", purchases, buying({ ...good, buyer: "" }), 400, "invalid-field", "body/buyer"],
  ["a long buyer", purchases, buying({ ...good, buyer: "a".repeat(65) }), 400, "invalid-field", "body/buyer"],
  ["a buyer with a line break", purchases, buying({ ...good, buyer: "a\nb" }), 400, "invalid-field", "body/buyer"],
  ["a buyer with a zero byte", purchases, buying({ ...good, buyer: "a\u0000b" }), 400, "invalid-field", "body/buyer"],
  ["a buyer of half a character", purchases, buying({ ...good, buyer: "\ud800" }), 400, "invalid-field", "body/buyer"],
  ["a buyer of spaces", purchases, buying({ ...good, buyer: "  " }), 400, "invalid-field", "body/buyer"],
  ["a buyer that is a number", purchases, buying({ ...good, buyer: 7 }), 400, "invalid-field", "body/buyer"],
  ["an empty request id", purchases, buying({ ...good, requestId: "" }), 400, "invalid-field", "body/requestId"],
  ["a long request id", purchases, buying({ ...good, requestId: "r".repeat(65) }), 400, "invalid-field", "body/requestId"],
  ["a request id with a line break", purchases, buying({ ...good, requestId: "r\n" }), 400, "invalid-field", "body/requestId"],
  ["a sku with a space", "/sales/la%20mp/purchases", buying(good), 400, "invalid-sku", "path/sku"],
  ["a sku with a quote", "/sales/la'mp/purchases", buying(good), 400, "invalid-sku", "path/sku"],
  ["a sku with a slash", "/sales/..%2Flamp/purchases", buying(good), 400, "invalid-sku", "path/sku"],
  ["a long sku", `/sales/${"a".repeat(65)}/purchases`, buying(good), 400, "invalid-sku", "path/sku"],
  ["a very long sku", `/sales/${"a".repeat(500)}/purchases`, buying(good), 400, "bad-request", "request"],
  ["an empty sku", "/sales//purchases", buying(good), 400, "invalid-sku", "path/sku"],
  ["a path that is no text", "/sales/%zz/purchases", buying(good), 400, "bad-request", "request"],
  ["GET for POST", purchases, { method: "GET" }, 404, "no-such-path", "path"],
  ["PUT for POST", purchases, { ...buying(good), method: "PUT" }, 404, "no-such-path", "path"],
  ["DELETE", `/purchases/${orderId}`, { method: "DELETE" }, 404, "no-such-path", "path"],
  ["another path", "/admin", { method: "GET" }, 404, "no-such-path", "path"],
  ["an order id that is none", "/purchases/1", { method: "GET" }, 404, "no-such-order", "path/orderId"],
  ["an order id in capitals", `/purchases/${orderId.toUpperCase()}`, { method: "GET" }, 404, "no-such-order", "path/orderId"],
  ["to cancel what is no order id", "/purchases/1/cancel", { method: "POST" }, 404, "no-such-order", "path/orderId"],
  ["states of nothing", "/purchases/states", buying({ orderIds: [] }), 400, "invalid-field", "body/orderIds"],
  ["states of too many", "/purchases/states", buying({ orderIds: Array.from({ length: 501 }, () => orderId) }), 400, "invalid-field", "body/orderIds"],
  ["states of what is no id", "/purchases/states", buying({ orderIds: [orderId, "'"] }), 400, "invalid-field", "body/orderIds/1"],
  ["states of one id, not in a list", "/purchases/states", buying({ orderIds: orderId }), 400, "invalid-field", "body/orderIds"],
  ["a sale without a token", "/sales", posting(sale), 401, "not-allowed", "header/authorization"],
  ["a sale with another token", "/sales", posting(sale, { authorization: "Bearer wrong" }), 401, "not-allowed", "header/authorization"],
  ["a sale with the token, but no Bearer", "/sales", posting(sale, { authorization: ADMIN_TOKEN }), 401, "not-allowed", "header/authorization"],
  ["a sale of nothing", "/sales", posting({ ...sale, units: 0 }, admin), 400, "invalid-field", "body/units"],
  ["a sale that ends before it begins", "/sales", posting({ ...sale, opensAt: 2, closesAt: 2 }, admin), 400, "invalid-field", "body/closesAt"],
  ["a sale of which ten units cost more than a column holds", "/sales", posting({ ...sale, cents: 214_748_365 }, admin), 400, "invalid-field", "body/cents"],
  ["a sale with one more field", "/sales", posting({ ...sale, secret: 1 }, admin), 400, "unknown-field", "body"],
  ["a sale with a price in quotes", "/sales", posting({ ...sale, cents: "1" }, admin), 400, "invalid-field", "body/cents"],
];

describe("what is not let in is said so, and nobody behind the gateway hears of it", () => {
  for (const [what, path, init, status, code, where] of table) {
    test(what, async () => {
      const said = await gateway.ask(path, init);
      assert.deepEqual({ status: said.status, kind: said.body["kind"], code: said.body["code"], where: said.body["where"] }, { status, kind: "invalid", code, where });
      for (const field of ["message", "hint"]) assert.equal(typeof said.body[field], "string", field);
      assert.deepEqual([...orders.asked, ...stock.asked], []);
    });
  }

  test("what is not HTTP", async () => {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write("hello\r\n\r\n");
    const text = (await socket.toArray()).join("");
    assert.match(text, /^HTTP\/1.1 400 /);
    assert.match(text, /"kind":"invalid","code":"bad-request"/);
    assert.deepEqual([...orders.asked, ...stock.asked], []);
  });

  // Last, for it is the one that is let in.
  test("and the same request without a fault is", async () => {
    assert.equal((await gateway.ask(purchases, buying(good))).status, 202);
    assert.equal(orders.placements.length, 1);
  });
});
