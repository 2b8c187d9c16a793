import assert from "node:assert/strict";
import test from "node:test";
import { createTripact, memoryStore, MemoryDatabase, type Notice, type Store, type Tripact } from "../../index.ts";
import { Process } from "../../testing/virtual/process.ts";
import { Random } from "../../testing/virtual/random.ts";
import { World } from "../../testing/virtual/world.ts";

const HOUR_MS = 3_600_000;

interface Node {
  readonly name: string;
  readonly process: Process;
  readonly notices: Notice[];
  readonly tripact: () => Tripact | undefined;
}

function nodeOn(world: World, store: Store, name: string, beatEveryMs: number): Node {
  const process = new Process(world, name);
  const notices: Notice[] = [];
  let tripact: Tripact | undefined;
  const started = createTripact({ store, clock: process.clock, nodeName: name, beatEveryMs, onNotice: (notice) => notices.push(notice) }).then((it) => {
    tripact = it;
  });
  started.catch((error: unknown) => world.log(String(error)));
  return { name, process, notices, tripact: () => tripact };
}

/** Two nodes on one journal, both up. The first looks several times between two beats of the second, and so sees it stand still for a while. */
async function twoNodes(database: MemoryDatabase, world: World): Promise<readonly [Node, Node]> {
  const nodes = [nodeOn(world, memoryStore(database), "a", 300), nodeOn(world, memoryStore(database), "b", 1_400)] as const;
  assert.ok(await world.run(() => nodes.every(({ tripact }) => tripact() !== undefined), 1_000), "both nodes start");
  return nodes;
}

const lost = ({ notices }: Node): readonly Notice[] => notices.filter(({ kind }) => kind === "node-lost" || kind === "node-fenced");

test("note 8: a lease is a counter on the observer's own monotonic clock: an hour's jump of any other clock fences nobody", async () => {
  const world = new World(new Random(8));
  // The database's clock jumps too: a standby whose clock is ahead was promoted.
  let databaseSkewMs = 0;
  const database = new MemoryDatabase(() => world.nowMs + databaseSkewMs);
  const [a, b] = await twoNodes(database, world);
  // At many moments between two beats, forth and back.
  for (let jump = 0; jump < 20; jump += 1) {
    const jumpMs = jump % 2 === 0 ? HOUR_MS : -HOUR_MS;
    a.process.skewMs += jumpMs;
    databaseSkewMs += jumpMs;
    await world.run(() => false, world.nowMs + 1_730);
    b.process.skewMs += jumpMs;
    await world.run(() => false, world.nowMs + 1_190);
  }
  assert.deepEqual([...lost(a), ...lost(b)], []);
  assert.deepEqual([...database.nodes.values()].map(({ fenced }) => fenced), [false, false]);
});

test("a node that stands still for longer than the lease is fenced by its peer, and begins anew under another incarnation when it wakes", async () => {
  const world = new World(new Random(9));
  const database = new MemoryDatabase(() => world.nowMs);
  const [a, b] = await twoNodes(database, world);
  const before = (await a.tripact()?.health())?.incarnation;
  a.process.pausedUntilMs = world.nowMs + 6_000;
  await world.run(() => false, world.nowMs + 5_000);
  assert.deepEqual(lost(b), [{ kind: "node-lost", incarnation: before, by: "lease" }]);
  await world.run(() => false, world.nowMs + 5_000);
  assert.deepEqual(lost(a).map(({ kind }) => kind), ["node-fenced"]);
  const after = await a.tripact()?.health();
  assert.notEqual(after?.incarnation, before);
  assert.equal(after?.ready, true);
});

test("a node that was stopped itself gives everybody a fresh lease: it was not looking", async () => {
  const world = new World(new Random(10));
  const database = new MemoryDatabase(() => world.nowMs);
  const [a, b] = await twoNodes(database, world);
  // Both stand still, as when a host is suspended; neither may take the other for dead when they wake together.
  for (const { process } of [a, b]) process.pausedUntilMs = world.nowMs + 10_000;
  await world.run(() => false, world.nowMs + 30_000);
  assert.deepEqual([...lost(a), ...lost(b)], []);
});
