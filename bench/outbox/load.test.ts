import assert from "node:assert/strict";
import test from "node:test";
import { Arrivals, closedLoop, openLoop } from "./load.ts";

/** Mulberry32: the same arrivals each time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("arrivals come at their mean rate, whenever they are asked for", () => {
  const arrivals = new Arrivals(1000, 0, seeded(1));
  let count = 0;
  for (let nowMs = 0; nowMs <= 60_000; nowMs += 7) count += arrivals.due(nowMs);
  assert.ok(Math.abs(count - 60_000) < 1000, `${count} in a minute of 1,000/s`);
  const last = arrivals.due(60_000);
  assert.ok(last < 20 && arrivals.due(60_000) === 0);
});

test("arrivals are spread like independent requests, not on a grid", () => {
  const arrivals = new Arrivals(1000, 0, seeded(2));
  const counts = Array.from({ length: 10_000 }, (_, ms) => arrivals.due(ms + 1));
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
  assert.ok(variance > 0.9 && variance < 1.1, `variance ${variance} of a mean of ${mean}`);
});

test("the closed loop keeps every connection busy and waits for room", async () => {
  let commits = 0;
  let heldMs = 0;
  let full = false;
  const busy = new Set<number>();
  await closedLoop({
    connections: 4,
    async commit(connection) {
      busy.add(connection);
      commits += 1;
      if (commits === 40) {
        full = true;
        setTimeout(() => (full = false), 20);
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
    room: () => (full ? new Promise((resolve) => setTimeout(resolve, 1)) : undefined),
    running: () => commits < 80,
    onHeld: (waitedMs) => (heldMs += waitedMs),
  });
  assert.equal(busy.size, 4);
  assert.ok(commits >= 80 && heldMs > 20, `${commits} commits, held ${heldMs} ms`);
});

test("the open loop commits what came, on as many connections as it needs", async () => {
  const endsAt = performance.now() + 200;
  let commits = 0;
  let open = 0;
  let most = 0;
  await openLoop({
    connections: 3,
    async commit() {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 2));
      open -= 1;
      commits += 1;
    },
    arrivals: new Arrivals(500, performance.now(), seeded(3)),
    running: () => performance.now() < endsAt || commits <= 50,
  });
  assert.ok(commits > 50 && commits < 150, `${commits} commits of about 100`);
  assert.ok(most > 1 && most <= 3, `${most} at once`);
  assert.equal(open, 0);
});

test("a failed commit ends either loop", async () => {
  const commit = async (): Promise<void> => {
    throw new Error("no commit");
  };
  await assert.rejects(closedLoop({ connections: 2, commit, room: () => undefined, running: () => true, onHeld: () => {} }), /no commit/);
  await assert.rejects(openLoop({ connections: 2, commit, arrivals: new Arrivals(1000, performance.now(), seeded(4)), running: () => true }), /no commit/);
});
