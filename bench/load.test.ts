import assert from "node:assert/strict";
import test from "node:test";
import { measureLoad } from "./load.ts";

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("as many operations are open as asked for, one per worker, and none is left behind", async () => {
  const open = new Set<number>();
  let most = 0;
  await measureLoad({ inFlight: 7, warmUpMs: 0, measureMs: 1 }, async (worker) => {
    assert.ok(!open.has(worker), `worker ${worker} has two operations open`);
    open.add(worker);
    most = Math.max(most, open.size);
    await nextTurn();
    open.delete(worker);
  });
  assert.equal(most, 7);
  assert.equal(open.size, 0);
});

test("a window waits for two waves, however slow they are", async () => {
  let ended = 0;
  await measureLoad({ inFlight: 5, warmUpMs: 0, measureMs: 0 }, async () => {
    await nextTurn();
    ended += 1;
  });
  assert.ok(ended >= 5 + 2 * 5, `only ${ended} ended: one wave of warm-up and two measured make 15`);
});

test("one failed operation fails the level", async () => {
  let calls = 0;
  const load = measureLoad({ inFlight: 3, warmUpMs: 0, measureMs: 0 }, async () => {
    await nextTurn();
    calls += 1;
    if (calls === 4) throw new Error("the engine said no");
  });
  await assert.rejects(load, /the engine said no/);
});

test("a level that never gets its waves is given up", async () => {
  const load = measureLoad({ inFlight: 2, warmUpMs: 60_000, measureMs: 0, limitMs: 5 }, nextTurn);
  await assert.rejects(load, /not done after 5 ms at 2 in flight/);
});
