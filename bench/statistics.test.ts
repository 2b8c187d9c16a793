import assert from "node:assert/strict";
import test from "node:test";
import { percentile, spread } from "./statistics.ts";

test("a percentile is a value that was measured", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 1), 100);
  assert.equal(percentile([7], 0.99), 7);
});

test("p99 of few values is the worst one, never less", () => {
  assert.equal(percentile([1, 2, 3, 40], 0.99), 40);
});

test("no values have no percentile and no spread", () => {
  assert.throws(() => percentile([], 0.5), RangeError);
  assert.throws(() => percentile([1], 0), RangeError);
  assert.throws(() => spread([]), RangeError);
});

test("a spread is the median with its extremes, whatever the order", () => {
  assert.deepEqual(spread([30, 10, 20]), { median: 20, min: 10, max: 30 });
  assert.deepEqual(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 });
});
