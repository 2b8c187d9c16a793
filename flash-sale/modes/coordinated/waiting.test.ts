import assert from "node:assert/strict";
import { test } from "node:test";
import { Pending, Refused } from "tripact";
import { untilAnswered } from "./waiting.ts";

/** A payment's row, and a provider whose word went to somebody who is dead. */
const side = (state: string | undefined) => ({
  db: { execute: async () => (state === undefined ? { rows: [], rowCount: 0 } : { rows: [{ state }], rowCount: 1 }) },
  waitFor: () => Promise.resolve(undefined),
});
const silent = (state: string) => ({ ...side(state), waitFor: () => new Promise<never>(() => undefined) });

test("who asks again, or has taken over, is told at once what the provider has said meanwhile", async () => {
  const again = async () => assert.fail("the payment is there");
  await untilAnswered(silent("authorised"), { gid: "order", attempt: 2, epoch: 1 }, again);
  await untilAnswered(silent("captured"), { gid: "order", attempt: 1, epoch: 2 }, again);
  await assert.rejects(untilAnswered(silent("declined"), { gid: "order", attempt: 1, epoch: 2 }, again), Refused);
});

test("who is the first, or finds no payment, begins it and waits", async () => {
  let begun = 0;
  const op = async () => void (begun += 1);
  await assert.rejects(untilAnswered(side("requested"), { gid: "order", attempt: 1, epoch: 1 }, op), Pending);
  await assert.rejects(untilAnswered(side("requested"), { gid: "order", attempt: 1, epoch: 2 }, op), Pending);
  assert.equal(begun, 1, "an heir finds that it has begun");
  await untilAnswered({ ...side(undefined), waitFor: () => Promise.resolve({ orderId: "order", outcome: "authorised" }) }, { gid: "order", attempt: 1, epoch: 2 }, op);
  assert.equal(begun, 2, "an heir finds nothing");
});
