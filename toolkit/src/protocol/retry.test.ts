import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import "../../test/protocol/seed.ts";
import { askAgainInMs, retryDelayMs, type RetryPolicy } from "./retry.ts";

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

test("a receiver that is down is asked again after a quarter of the time it has been away, within bounds", () => {
  assert.deepEqual([0, 100, 200, 400, 2_000, 4_000, 3_600_000].map((downMs) => askAgainInMs(downMs, 1_000)), [50, 50, 50, 100, 500, 1_000, 1_000]);
  assert.equal(askAgainInMs(10_000, 20), 20, "whoever wants shorter pauses has them");
});
