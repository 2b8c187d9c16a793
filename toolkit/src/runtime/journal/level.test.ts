import assert from "node:assert/strict";
import test from "node:test";
import { createTripact, memoryStore, MemoryDatabase, type Notice, type Store } from "../../index.ts";
import { eventually } from "../../../test/memory/nodes.ts";

test("a journal below its declared level is told at the start, and once; its return as well", async () => {
  const inner = memoryStore(new MemoryDatabase());
  const sinceMs = Date.UTC(2026, 0, 2, 3, 4, 5);
  let health: ReturnType<Store["health"]> = { state: "up", detail: "no standby", degradedSinceMs: sinceMs };
  const store: Store = { features: inner.features, journal: inner.journal, membership: inner.membership, connect: () => inner.connect(), health: () => health, close: () => inner.close() };
  const notices: Notice[] = [];
  let polls = 0;
  const tripact = await createTripact({
    store: { ...store, health: () => ((polls += 1), health) },
    pollEveryMs: 5,
    onNotice: (notice) => notices.push(notice),
  });
  const since = "2026-01-02T03:04:05.000Z";
  assert.deepEqual(notices, [{ kind: "durability-degraded", since, detail: "no standby" }]);
  assert.ok(tripact.ready(), "it works on");
  // A lost connection is no news of the level.
  for (const next of [{ state: "down" }, health] as const) {
    health = next;
    const seen = polls;
    await eventually(() => polls > seen + 2, "it has looked");
  }
  assert.equal(notices.length, 1);
  health = { state: "up" };
  await eventually(() => notices.length > 1, "it is told");
  assert.deepEqual(notices[1], { kind: "durability-restored", since });
  await tripact.stop();
});
