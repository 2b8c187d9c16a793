import assert from "node:assert/strict";
import { it } from "node:test";
import { Buckets } from "./buckets.ts";

const taken = (buckets: Buckets, key: string, times: number, now: number): number => Array.from({ length: times }, () => buckets.take(key, now)).filter((waitMs) => waitMs === 0).length;

it("lets a burst through, then the rate, and says how long to wait", () => {
  const buckets = new Buckets({ perSecond: 5, burst: 10 });
  assert.equal(taken(buckets, "ada", 25, 1_000), 10);
  assert.equal(Math.round(buckets.take("ada", 1_000)), 200);
  assert.equal(Math.round(buckets.take("ada", 1_150)), 50);
  assert.equal(buckets.take("ada", 1_200), 0, "one token later");
  assert.equal(taken(buckets, "ada", 25, 2_200), 5);
  assert.equal(taken(buckets, "ada", 25, 60_000), 10, "never more than the burst");
});

it("keeps keys apart", () => {
  const buckets = new Buckets({ perSecond: 1, burst: 1 });
  assert.equal(buckets.take("ada", 0), 0);
  assert.equal(buckets.take("bob", 0), 0);
  assert.notEqual(buckets.take("ada", 0), 0);
});

it("forgets whoever has a full bucket, and nobody else while there is room", () => {
  const buckets = new Buckets({ perSecond: 1, burst: 10 });
  assert.equal(taken(buckets, "ada", 10, 0), 10);
  // Across two generations: never more than one token a second.
  let passed = 0;
  for (let now = 100; now <= 30_000; now += 100) passed += taken(buckets, "ada", 1, now);
  assert.equal(passed, 30);
  for (let key = 0; key < 1_000; key += 1) buckets.take(`k${key}`, 40_000);
  buckets.take("bob", 60_000);
  buckets.take("bob", 80_000);
  assert.equal(buckets.size, 2, "bob, in both generations");
});

it("is bounded, however many keys come", () => {
  const buckets = new Buckets({ perSecond: 1, burst: 1, keysMax: 100 });
  for (let key = 0; key < 10_000; key += 1) buckets.take(`k${key}`, 0);
  assert.ok(buckets.size <= 100, String(buckets.size));
});
