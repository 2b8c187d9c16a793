import assert from "node:assert/strict";
import { it } from "node:test";
import { Shelf } from "./shelf.ts";

const leased = (id: string, units: number): { id: string; units: number; leaseMs: number } => ({ id, units, leaseMs: 1_000 });

it("sells from its chunks in turn, and each order from one of them", () => {
  const shelf = new Shelf();
  for (const id of ["a", "b", "c"]) shelf.put(leased(id, 4), 0);
  assert.deepEqual(Array.from({ length: 6 }, () => shelf.take(1, 1)), ["a", "b", "c", "a", "b", "c"]);
  assert.equal(shelf.take(3, 1), undefined, "two are left in each");
  assert.deepEqual(Array.from({ length: 4 }, () => shelf.take(2, 1)), ["a", "b", "c", undefined]);
});

it("ends a chunk by its own clock, a quarter of the lease before the stock may", () => {
  const shelf = new Shelf();
  shelf.put(leased("a", 10), 5_000);
  assert.equal(shelf.take(1, 5_749), "a");
  assert.equal(shelf.take(1, 5_750), undefined);
  assert.equal(shelf.take(1, 60_000), undefined);
  shelf.renew("a", 59_500);
  assert.equal(shelf.take(1, 60_000), "a", "the stock says that it is still open");
  shelf.renew("a", 59_000);
  assert.equal(shelf.take(1, 60_200), "a", "an older heartbeat that is answered late takes nothing away");
  assert.equal(shelf.take(1, 60_250), undefined);
});

it("takes units back into chunks that it still has, and never more than were leased", () => {
  const shelf = new Shelf();
  shelf.put(leased("a", 2), 0);
  shelf.put(leased("b", 2), 0);
  for (let time = 0; time < 4; time += 1) assert.ok(shelf.take(1, 1));
  assert.equal(shelf.take(1, 1), undefined);
  shelf.giveBack("b", 1, 2);
  assert.deepEqual([shelf.take(1, 3), shelf.take(1, 3)], ["b", undefined]);
  shelf.drop("a");
  shelf.giveBack("a", 2, 4);
  assert.equal(shelf.take(1, 5), undefined);
  shelf.giveBack("b", 9, 6);
  assert.deepEqual([shelf.take(1, 7), shelf.take(1, 7), shelf.take(1, 7)], ["b", "b", undefined]);
});

it("drops a chunk with what is left in it, and knows which ones nobody touches", () => {
  const shelf = new Shelf();
  shelf.put(leased("a", 2), 0);
  shelf.put(leased("b", 2), 0);
  shelf.take(1, 500);
  assert.deepEqual(shelf.untouchedSince(400), ["b"]);
  shelf.drop("b");
  shelf.drop("b");
  assert.deepEqual([shelf.ids(), shelf.stripes], [["a"], 1]);
  assert.deepEqual([shelf.take(1, 501), shelf.take(1, 501)], ["a", undefined]);
});

it("is half sold when half of what is open for sale is gone", () => {
  const shelf = new Shelf();
  assert.ok(shelf.isHalfSold(0));
  shelf.put(leased("a", 4), 0);
  assert.deepEqual([shelf.isHalfSold(1), shelf.take(1, 1), shelf.isHalfSold(1), shelf.take(1, 1), shelf.isHalfSold(1)], [false, "a", false, "a", true]);
  shelf.put(leased("b", 4), 500);
  assert.equal(shelf.isHalfSold(501), false);
  assert.equal(shelf.isHalfSold(5_000), true, "nothing that can be sold");
});
