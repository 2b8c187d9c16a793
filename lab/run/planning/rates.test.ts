import assert from "node:assert/strict";
import test from "node:test";
import { rateOf, type Rates } from "./rates.ts";

const rates: Rates = { perSecond: { saga: 40, outbox: 9 }, busyPerSecond: 90, capacityPerSecond: {} };

test("a fault is met at the mode's own rate, at everybody's where it says so, and where disks are slow at little", () => {
  assert.deepEqual((["usual", "busy", "light"] as const).map((load) => rateOf(rates, "saga", { load })), [40, 90, 15]);
  assert.equal(rateOf(rates, "outbox", { load: "light" }), 9);
  assert.throws(() => rateOf(rates, "tcc", { load: "light" }), /at which rate tcc is broken/);
  assert.throws(() => rateOf({ ...rates, busyPerSecond: undefined }, "saga", { load: "busy" }), /at which rate saga is broken/);
});
