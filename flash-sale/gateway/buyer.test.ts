import assert from "node:assert/strict";
import { it } from "node:test";
import { addressOf } from "./buyer.ts";
import { orderIdOf } from "./desk/order-id.ts";

it("an address is the socket's; of IPv6 the network counts", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["127.0.0.9", "127.0.0.9"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
  ];
  for (const [remoteAddress, address] of cases) assert.equal(addressOf({ remoteAddress }), address);
});

it("an order id depends on each of its three parts, and on where one ends", () => {
  const ids = [
    orderIdOf("a", "b", "c"),
    orderIdOf("ab", "", "c"),
    orderIdOf("a", "bc", ""),
    orderIdOf("a", 'b","c', "d"),
    orderIdOf("a", "b", 'c","d'),
  ];
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  // It is in databases: to change it is to give old requests new orders.
  assert.equal(orderIdOf("lamp", "ada", "r1"), "63945d4809b6477fdb4b379d34e1845b");
});
