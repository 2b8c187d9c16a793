import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Latencies, percentile } from "./latency.ts";

test("a percentile is the smallest measured value that so many do not exceed", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 1_000 }), { minLength: 1, maxLength: 200 }), fc.integer({ min: 1, max: 100 }), (values, percent) => {
    const sorted = values.toSorted((one, other) => one - other);
    const value = percentile(sorted, percent / 100);
    assert.ok(values.includes(value));
    const atMost = values.filter((other) => other <= value).length;
    const below = values.filter((other) => other < value).length;
    assert.ok(atMost * 100 >= percent * values.length - 1e-6 && below * 100 < percent * values.length + 1e-6);
  }));
});

test("a summary is the same in whatever order the latencies came", () => {
  const latencies = new Latencies();
  for (let number = 0; number < 10_000; number += 1) latencies.record(((number * 7_919) % 10_000) + 1);
  assert.deepEqual(latencies.summary(), { count: 10_000, p50: 5_000, p95: 9_500, p99: 9_900, max: 10_000 });
});

test("one slow answer in ten is the p95, whatever the others were", () => {
  const latencies = new Latencies();
  for (let number = 0; number < 100; number += 1) latencies.record(number % 10 === 0 ? 1_000 : 1);
  assert.deepEqual(latencies.summary(), { count: 100, p50: 1, p95: 1_000, p99: 1_000, max: 1_000 });
});

test("of nothing there is no latency", () => {
  assert.equal(new Latencies().summary(), null);
  assert.throws(() => percentile([], 0.5), RangeError);
  assert.throws(() => percentile([1], 0), RangeError);
});
