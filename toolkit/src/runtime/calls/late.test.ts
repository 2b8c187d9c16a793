import assert from "node:assert/strict";
import test from "node:test";
import { createTripact, memoryStore, MemoryDatabase, participant, saga } from "../../index.ts";
import type { EventOf, TransactionEvent } from "../../protocol/transaction.ts";
import { Process } from "../../testing/virtual/process.ts";
import { Random } from "../../testing/virtual/random.ts";
import { World } from "../../testing/virtual/world.ts";
import { Live } from "../live.ts";

const MINUTE_MS = 60_000;
const CALM = { leaseMs: 10 * MINUTE_MS, beatEveryMs: MINUTE_MS, probeEveryMs: MINUTE_MS, pollEveryMs: MINUTE_MS };

test("a participant that is away for six hours is asked thousands of times, in a few entries that count them all", async () => {
  const world = new World(new Random(5));
  const database = new MemoryDatabase(() => world.nowMs);
  const process = new Process(world, "a");
  const attempts: number[] = [];
  let away = true;
  const wallet = participant({
    name: "wallet",
    try: () => 1,
    confirm: ({ attempt }) => {
      attempts.push(attempt);
      if (away) throw new Error("away");
    },
    cancel: () => undefined,
  });
  const paying = saga("paying", async (tx, _: null) => await tx.tcc("pay", wallet, null));
  const tripact = createTripact({ store: memoryStore(database), clock: process.clock, definitions: [paying], participants: [wallet], ...CALM });
  tripact.then((it) => it.start(paying, null, { gid: "g" })).catch((error: unknown) => world.log(String(error)));
  await world.run(() => false, 6 * 60 * MINUTE_MS);
  const events = (): TransactionEvent[] => (database.transactions.get("g")?.entries ?? []).flatMap(({ entry }) => JSON.parse(entry) as TransactionEvent[]);
  const attempted = (): EventOf<"attempted">[] => events().filter((event) => event.kind === "attempted");
  assert.ok(attempts.length > 2_000, `${attempts.length} calls`);
  assert.deepEqual(attempts, attempts.map((_, index) => index + 1), "each call knows its number");
  assert.ok(attempted().length <= 20, `${attempted().length} entries`);

  // The answer brings along what was not journaled yet.
  away = false;
  const before = attempts.length;
  await world.run(() => database.transactions.get("g")?.summary.ended === true, world.nowMs + MINUTE_MS);
  assert.equal(attempts.length, before + 1);
  assert.equal(attempted().reduce((sum, { count = 1 }) => sum + count, 0), before);
  assert.deepEqual(world.trace, []);
});

test("what a replay has no use for is not kept for it", () => {
  const live = new Live({ gid: "g", definition: "d", version: "1", inputHash: "", input: null });
  live.replay({ kind: "started" }, 0);
  live.replay({ kind: "registered", branch: "a", offer: { kind: "pivot", guard: "barrier" }, inputHash: "" }, 0);
  for (let n = 0; n < 100; n += 1) live.replay({ kind: "attempted", branch: "a", op: "action", code: "threw", error: "away", retryAfterMs: 0, spent: true }, 0);
  assert.deepEqual(live.past.map(({ kind }) => kind), ["started", "registered"]);
});
