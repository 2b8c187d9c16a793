import assert from "node:assert/strict";
import test from "node:test";
import type { Receipt, Sink } from "../../brokers/broker.ts";
import type { LoggedMessage } from "../../stores/outbox-log.ts";
import { systemClock } from "../clock.ts";
import { handClock } from "../../../test/memory/hand-clock.ts";
import { Delivery } from "./delivery.ts";
import { planSubscription, type SubscriptionPlan } from "./options.ts";

const BATCH_MAX = 4;

let seq = 0;

function message(): LoggedMessage {
  seq += 1;
  return { seq, lane: 0, id: `id-${seq}`, topic: "t", key: `k-${seq}`, payload: "{}", headers: "{}", recordedAtMs: 0 };
}

/** The calls of a sink, in order: how many messages, and whether they were tried before. Each is answered when the test says so. */
function hand(workers: number) {
  const calls: string[] = [];
  const open: (() => void)[] = [];
  const sink: Sink = {
    features: { name: "hand", persistent: false, ordered: true, deduplicates: false, batchMax: BATCH_MAX },
    deliver: (all) => {
      calls.push(`${(all[0]?.attempt ?? 1) > 1 ? "again" : "new"} ${all.length}`);
      return new Promise<readonly Receipt[]>((resolve) => open.push(() => resolve(all.map(() => ({ kind: "done" })))));
    },
    close: async () => undefined,
  };
  const plan: SubscriptionPlan = planSubscription({ name: "s", topics: ["t"], sink, workers });
  let fresh = 0;
  const delivery: Delivery = new Delivery({
    plan,
    source: "test",
    clock: systemClock,
    notify: ({ kind }) => assert.fail(kind),
    mayRetry: () => true,
    onRoom: () => {
      while (fresh > 0) {
        const room = delivery.room(BATCH_MAX);
        if (room === 0) return;
        const taken = Math.min(room, fresh);
        fresh -= taken;
        delivery.first(Array.from({ length: taken }, message), () => undefined);
      }
    },
  });
  return {
    calls,
    send: (count: number) => {
      fresh += count;
      delivery.look();
    },
    retry: () => delivery.again([message()], 1),
    /** Answers what is under way, again and again, until there is nothing. */
    drain: async () => {
      for (;;) {
        // Two turns: one for whoever is told that there is room, one for whom that one tells.
        for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        const answer = open.shift();
        if (answer === undefined) return;
        answer();
      }
    },
  };
}

test("what is tried again does not wait for a first delivery each: as many messages of both kinds go in turn", async () => {
  const { calls, send, retry, drain } = hand(1);
  send(3 * BATCH_MAX);
  await new Promise((resolve) => setImmediate(resolve));
  const retries = Array.from({ length: 10 }, () => retry());
  await drain();
  assert.deepEqual((await Promise.all(retries)).flatMap((receipts) => receipts?.map(({ kind }) => kind)), Array.from({ length: 10 }, () => "done"));
  const again = (count: number): readonly string[] => Array.from({ length: count }, () => "again 1");
  assert.deepEqual(calls, ["new 4", ...again(4), "new 4", ...again(4), "new 4", ...again(2)]);
});

test("where nothing is new, one retry follows the other, and none waits for a look", async () => {
  const { calls, retry, drain } = hand(1);
  const retries = Array.from({ length: 9 }, () => retry());
  await drain();
  assert.equal((await Promise.all(retries)).length, 9);
  assert.equal(calls.length, 9);
});

test("retries have half of the workers, and use all of that half", async () => {
  const { calls, send, retry, drain } = hand(4);
  send(2 * BATCH_MAX);
  const retries = Array.from({ length: 6 }, () => retry());
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(calls.toSorted(), ["again 1", "again 1", "new 4", "new 4"]);
  await drain();
  assert.equal((await Promise.all(retries)).length, 6);
  assert.equal(calls.length, 8);
});

test("a receiver that is down is asked after pauses of a quarter of its absence", async () => {
  const { clock, goTo } = handClock();
  const asked: number[] = [];
  const sink: Sink = {
    features: { name: "down", persistent: false, ordered: true, deduplicates: false, batchMax: 1 },
    deliver: async (all) => {
      asked.push(clock.nowMs());
      return all.map(() => ({ kind: "unknown", error: "down" }));
    },
    close: async () => undefined,
  };
  const delivery: Delivery = new Delivery({
    plan: planSubscription({ name: "s", topics: ["t"], sink, workers: 1, breakerAfter: 3 }),
    source: "test",
    clock,
    notify: () => undefined,
    mayRetry: () => true,
    onRoom: () => {
      if (delivery.room(1) > 0) delivery.first([message()], () => undefined);
    },
  });
  delivery.look();
  await goTo(20_000);
  assert.deepEqual(asked.slice(0, 3), [0, 0, 0], "the breaker opens");
  for (const [index, atMs] of asked.entries()) {
    const beforeMs = asked[index - 1] ?? 0;
    assert.ok(atMs - beforeMs <= Math.max(50, beforeMs * 0.25) + 1e-6, `asked at ${atMs} ms, and before that at ${beforeMs}`);
  }
  assert.ok(asked.filter((atMs) => atMs > 10_000).length <= 20, "and twice a second when it is away for long");
});
