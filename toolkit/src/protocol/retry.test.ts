import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import "../../test/protocol/seed.ts";
import { retryDelayMs, type RetryPolicy } from "./retry.ts";

const policy: RetryPolicy = { baseMs: 50, factor: 2, capMs: 5_000, maxAttempts: 5 };
const justBelowOne = 1 - Number.EPSILON / 2;

test("the ceiling doubles until the cap", () => {
  assert.deepEqual([1, 2, 3, 7, 8, 1_000_000].map((attempt) => retryDelayMs(policy, attempt, justBelowOne)), [49, 99, 199, 3_199, 4_999, 4_999]);
});

test("full jitter: the delay is anything from zero to the ceiling, in whole milliseconds", () => {
  assert.equal(retryDelayMs(policy, 4, 0), 0);
  fc.assert(
    fc.property(fc.integer({ min: 1 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
      const delayMs = retryDelayMs(policy, attempt, random);
      assert.ok(Number.isSafeInteger(delayMs) && delayMs >= 0 && delayMs < Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(attempt - 1, 100)));
    }),
  );
});
