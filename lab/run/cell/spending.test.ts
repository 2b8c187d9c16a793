import assert from "node:assert/strict";
import test from "node:test";
import { spentBetween } from "./spending.ts";

const before = { cpuMs: { postgres: 1_000, provider: 1, stock: 2, payment: 3, "orders-1": 100, "orders-2": 200, "gateway-1": 50 }, servers: [11, 12] };
const after = { cpuMs: { postgres: 1_700, provider: 11, stock: 22, payment: 33, "orders-1": 150, "orders-2": 260, "gateway-1": 70 }, servers: [11, 12] };

test("CPU time is told by kinds of processes: both workers are one kind", () => {
  assert.deepEqual(spentBetween({ mode: "naive" }, before, after), { provider: 10, stock: 20, payment: 30, orders: 110, gateway: 20, postgres: 700 });
});

test("who has died took his figure with him: a worker his kind's, a server all servers'", () => {
  const killed = spentBetween({ mode: "naive" }, before, { ...after, cpuMs: { ...after.cpuMs, "orders-2": 5 } });
  assert.deepEqual([killed.orders, killed.gateway], [undefined, 20]);
  // The other server alone may well have used more than both had before.
  assert.equal(spentBetween({ mode: "naive" }, before, { ...after, servers: [undefined, 12] }).postgres, undefined);
});
