import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDatabases, type Databases } from "../platform/databases.ts";
import { ladderFigures, ladderTable } from "./figures.ts";
import { parseLadder } from "./options.ts";
import { runPartition } from "./partition.ts";
import { answersRecovered, type Question } from "./recovery.ts";
import { rungsOf } from "./rungs.ts";
import { openLadderStage, type LadderStage } from "./stage.ts";
import { stockReader } from "./stock-reader.ts";

let databases: Databases;
let stage: LadderStage;
before(async () => {
  databases = await startDatabases({ servers: "single", endpoint: "direct" });
  stage = await openLadderStage(databases);
});
after(async () => {
  await stage.stop();
  await databases.stop();
});

/** Fifty a second for five seconds from the fault on; `bad` ones fail after 100 ms. */
const asked = (bad: (atMs: number) => boolean): Question[] =>
  Array.from({ length: 250 }, (_, index) => ({ atMs: index * 20, doneMs: index * 20 + (bad(index * 20) ? 100 : 5), ageMs: bad(index * 20) ? undefined : 0 }));
const observed = { fromMs: 0, toMs: 5_000 };

test("it has recovered with the end of the last bad answer", () => {
  assert.deepEqual(answersRecovered(asked((atMs) => atMs < 400), observed, 250), { kind: "recovered", ms: 480 });
  assert.deepEqual(answersRecovered(asked(() => false), observed, 250), { kind: "recovered", ms: 0 });
});

test("a relapse counts, one late answer in a second does not", () => {
  assert.deepEqual(answersRecovered(asked((atMs) => atMs < 400 || (atMs >= 3_000 && atMs < 3_100)), observed, 250), { kind: "recovered", ms: 3_180 });
  assert.deepEqual(answersRecovered(asked((atMs) => atMs === 2_500), observed, 250), { kind: "recovered", ms: 0 });
});

test("a right answer that comes too late is a bad one", () => {
  const late = asked(() => false).map((question) => (question.atMs < 400 ? { ...question, doneMs: question.atMs + 300 } : question));
  assert.deepEqual(answersRecovered(late, observed, 250), { kind: "recovered", ms: 680 });
});

test("what is bad to the end is beyond, and silence is no recovery", () => {
  assert.deepEqual(answersRecovered(asked((atMs) => atMs > 1_000), observed, 250), { kind: "beyond", capMs: 5_000 });
  assert.equal(answersRecovered([], observed, 250).kind, "unmeasured");
});

test("the cache answers only with news that it has, and that is young enough", async () => {
  let nowMs = 0;
  let up = false;
  const read = async (): Promise<number> => {
    if (!up) throw new Error("nobody is there");
    return 7;
  };
  const cache = rungsOf(read, () => nowMs).find(({ name }) => name === "cache");
  assert.ok(cache !== undefined);
  await assert.rejects(cache.ask());
  // Longer than the breaker stays open.
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  up = true;
  assert.deepEqual(await cache.ask(), { free: 7, ageMs: 0 });
  up = false;
  nowMs = 30_000;
  assert.deepEqual(await cache.ask(), { free: 7, ageMs: 30_000 });
  nowMs = 30_001;
  await assert.rejects(cache.ask());
});

test("the reader hears the stock's own figure, and gives up on a wire that swallows", async () => {
  const reader = stockReader({ origin: stage.origin, token: stage.token, sku: stage.sku, timeoutMs: 2_000 });
  const hurried = stockReader({ origin: stage.origin, token: stage.token, sku: stage.sku, timeoutMs: 150 });
  const stranger = stockReader({ origin: stage.origin, token: "wrong", sku: stage.sku, timeoutMs: 2_000 });
  try {
    assert.equal(await reader.free(), stage.units);
    await assert.rejects(stranger.free(), /the stock answers 40/);
    await stage.wire.blackHole();
    await assert.rejects(hurried.free());
    await stage.wire.pass();
    assert.equal(await reader.free(), stage.units);
  } finally {
    await stage.wire.pass();
    await Promise.all([reader, hurried, stranger].map((one) => one.close()));
  }
});

test("during a partition only the cache has answers", async () => {
  const plan = { seed: 3, partitionMs: 3_500, ratePerSecond: 25, timeoutMs: 1_000, goodWithinMs: 2_000 };
  const run = await runPartition(stage, plan);
  const during = Object.fromEntries(run.rungs.map(({ rung, goodDuring }) => [rung, goodDuring]));
  // What was asked just before its end, or tried again after it, is answered in time; the rest is not.
  assert.ok((during["none"] ?? 1) < 0.4, JSON.stringify(during));
  assert.ok((during["retry"] ?? 1) < 0.9 && (during["breaker"] ?? 1) < 0.9, JSON.stringify(during));
  assert.ok((during["cache"] ?? 0) > 0.9, JSON.stringify(during));
  for (const { rung, rto } of run.rungs) assert.equal(rto.kind, "recovered", rung);
  const table = ladderTable(ladderFigures(plan, [run]));
  assert.match(table, /^time-out only +> 120\.00 s/m);
  assert.match(table, /^\+ local cache +1\.30 s/m);
});

test("options are checked at the door", () => {
  assert.deepEqual(parseLadder(["--runs", "2", "--seed", "9", "--json", "x.json"]), { runs: 2, seed: 9, partitionMs: 10_000, jsonFile: "x.json", into: undefined });
  assert.throws(() => parseLadder(["--runs", "0"]), { code: "bad-usage", message: '--runs needs a whole number from 1 to 1000, got "0"' });
  assert.throws(() => parseLadder(["--nonsense"]), { code: "bad-usage" });
});
