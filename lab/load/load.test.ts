import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tmpdir } from "node:os";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { leashedFolder, removeLeashedFolder, spawnLeashed, stillAlive } from "@tripact/testbed";
import type { Operation } from "../history/line.ts";
import { loadHistory, type History } from "../history/reader.ts";
import { machineMs } from "./clock.ts";
import type { Progress } from "./protocol.ts";
import { startLoad, type Load, type LoadOptions, type PhaseOptions } from "./start.ts";
import { accepted, refusal, startStandIn, type Purchase, type Reply, type StandIn } from "./stand-in/gateway.fixture.ts";

interface Stage {
  readonly gateway: StandIn;
  readonly load: Load;
  readonly historyPath: string;
  readonly progress: Progress[];
  readonly readHistory: () => Promise<History>;
}

async function stage(t: TestContext, reply: (purchase: Purchase) => Reply, options: Partial<LoadOptions> = {}): Promise<Stage> {
  const folder = leashedFolder(join(tmpdir(), "tripact-load-"));
  t.after(() => removeLeashedFolder(folder));
  const historyPath = join(folder, "history.ndjson");
  const gateway = await startStandIn(reply);
  t.after(() => gateway.close());
  const progress: Progress[] = [];
  const load = await startLoad({ target: gateway.url, historyPath, run: "test", seed: 7, timeoutMs: 20_000, onProgress: (line) => progress.push(line), ...options });
  t.after(() => load.killWhole());
  return { gateway, load, historyPath, progress, readHistory: () => loadHistory(historyPath) };
}

const PLAN: PhaseOptions = { sku: "lamp", ratePerSecond: 400, seconds: 1, seed: 3, buyers: 200, repeatShare: 0, returnShare: 1 };

const by = (operations: readonly Operation[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { op, outcome, evidence } of operations) {
    const name = `${op} ${outcome} ${evidence}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
};

async function until(condition: () => boolean, what: string): Promise<void> {
  const giveUpAt = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < giveUpAt, `not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("everything offered is in the history once, with its intent, and what it counted is what is written", async (t) => {
  const { gateway, load, readHistory } = await stage(t, ({ requestId }) => accepted(`order-${requestId}`));
  const phase = await load.start(PLAN);
  assert.equal(phase.offers, 400);
  const ended = await phase.ended;
  assert.deepEqual([ended.offered, ended.accepted, ended.unknown, ended.answerMs?.count], [400, 400, 0, 400]);
  const settled = await load.settle(20_000);
  assert.deepEqual([settled.open, settled.unresolved, settled.phases[0]?.paid], [0, 0, 400]);
  assert.equal(await load.quit(), 0);

  const { ending, header, operations, finals, phases } = await readHistory();
  assert.deepEqual(ending, { kind: "complete", operations: 400 });
  assert.deepEqual([header?.run, header?.seed], ["test", 7]);
  assert.deepEqual(phases.map(({ kind }) => kind), ["phase", "phase-end"]);
  assert.deepEqual(by(operations), { "purchase accepted accepted": 400 });
  assert.deepEqual(new Set(operations.map(({ intent }) => intent.requestId)), new Set(gateway.purchases.map(({ requestId }) => requestId)));
  assert.deepEqual(finals.map(({ orderId }) => orderId).toSorted(), operations.map(({ key }) => key).toSorted());
  for (const { s, a, c } of operations) assert.ok(a !== null && s <= a && a <= c, `${s} ${a} ${c}`);
  // One in each slot of 2.5 ms, so the last one is in the last slot.
  const intended = operations.map(({ s }) => s - phase.startsAt).toSorted((one, other) => one - other);
  assert.deepEqual(intended.map((ms) => Math.floor(ms / 2.5 + 1e-6)), Array.from({ length: 400 }, (_, slot) => slot));
});

test("each buyer comes from an address of his own", async (t) => {
  const { gateway, load } = await stage(t, () => refusal(409, "sold-out"));
  if (!load.ownAddresses) {
    t.skip("this machine has one loopback address");
    return;
  }
  await (await load.start(PLAN)).ended;
  const addresses = Map.groupBy(gateway.purchases, ({ buyer }) => buyer);
  assert.equal(addresses.size, 200);
  for (const [buyer, purchases] of addresses) assert.equal(new Set(purchases.map(({ address }) => address)).size, 1, buyer);
  assert.equal(new Set(gateway.purchases.map(({ address }) => address)).size, 200);
  assert.ok(!gateway.purchases.some(({ address }) => address === "127.0.0.1"));
});

test("where there is only one source address, all share it and that is said", async (t) => {
  const gateway = await startStandIn(() => refusal(409, "sold-out"));
  t.after(() => gateway.close());
  const { load, readHistory } = await stage(t, () => refusal(409, "sold-out"), { target: gateway.url.replace("127.0.0.1", "localhost") });
  assert.equal(load.ownAddresses, false);
  await (await load.start(PLAN)).ended;
  await load.quit();
  assert.deepEqual(by((await readHistory()).operations), { "purchase reject sold-out": 400 });
  assert.equal(new Set(gateway.purchases.map(({ address }) => address)).size, 1);
});

test("the generator's own sleep is not taken for the gateway's silence", async (t) => {
  const { load, readHistory, gateway } = await stage(t, () => refusal(409, "sold-out"), { timeoutMs: 6_000 });
  const phase = await load.start({ ...PLAN, seconds: 2, buyers: 100 });
  await until(() => gateway.purchases.length > 100, "some load");
  // Answers arrive while it sleeps; when it wakes, their time is over, and there they are.
  gateway.stall(1_000);
  await until(() => gateway.purchases.length > 140, "some in flight");
  process.kill(load.pid, "SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 6_500));
  process.kill(load.pid, "SIGCONT");
  assert.equal((await phase.ended).offered, 800);
  await load.quit();
  const { operations } = await readHistory();
  assert.deepEqual(by(operations), { "purchase reject sold-out": 800 });
  // What was meant to start meanwhile keeps its intent: the sleep is in its latency.
  assert.ok(operations.filter(({ s, a, c }) => a !== null && a - s > 500 && c >= a).length > 200);
});

test("a stall is in the latencies of all that were meant to start in it", async (t) => {
  const { gateway, load, readHistory, progress } = await stage(t, () => refusal(409, "sold-out"), { timeoutMs: 10_000 });
  const phase = await load.start({ ...PLAN, seconds: 3 });
  await until(() => (progress.at(-1)?.offered ?? 0) >= 300, "300 offered");
  gateway.stall(1_000);
  const ended = await phase.ended;
  await load.quit();
  const { operations } = await readHistory();
  assert.equal(operations.length, 1_200);
  // At 400/s a stall of 1 s holds 400 intents, whose latencies lie evenly between 0 and 1 s: a closed loop of 10 would have shown 10.
  const waitedMs = operations.map(({ s, c }) => c - s);
  assert.ok(waitedMs.filter((ms) => ms > 500).length >= 180, `${waitedMs.filter((ms) => ms > 500).length} over 500 ms`);
  assert.ok(waitedMs.filter((ms) => ms > 250).length >= 280, `${waitedMs.filter((ms) => ms > 250).length} over 250 ms`);
  assert.ok((ended.answerMs?.p95 ?? 0) > 700);
});

test("every answer has the outcome that it allows, and no other", async (t) => {
  const replies: readonly Reply[] = [
    refusal(409, "sold-out"), refusal(409, "limited"), refusal(429, "limited"), refusal(403, "closed"), refusal(409, "conflict"), refusal(400, "invalid"), refusal(503, "overloaded"),
    { kind: "json", status: 503, body: { kind: "unknown", orderId: "order-maybe" } }, { kind: "json", status: 500, body: { code: "failed" } },
    { kind: "text", status: 202, text: '{"kind":"accep' }, { kind: "reset" }, { kind: "half" }, { kind: "silence" }, refusal(200, "sold-out"),
  ];
  let next = 0;
  const { load, readHistory } = await stage(t, () => replies[next++ % replies.length] ?? { kind: "silence" }, { timeoutMs: 2_000 });
  const ended = await (await load.start({ ...PLAN, ratePerSecond: 140, buyers: 140 })).ended;
  await load.quit();
  const { operations, ending } = await readHistory();
  assert.deepEqual(ending, { kind: "complete", operations: 140 });
  assert.deepEqual(by(operations), {
    "purchase reject sold-out": 10, "purchase reject limited": 10, "purchase reject too-often": 10, "purchase reject closed": 10, "purchase reject conflict": 10,
    "purchase reject invalid": 10, "purchase fail overloaded": 10, "purchase info unknown": 10, "purchase info unexpected 500": 10,
    "purchase info torn answer, status 202": 10, "purchase info reset": 20, "purchase info timeout": 10, "purchase info unexpected 200 sold-out": 10,
  });
  assert.equal(operations.filter(({ key }) => key === "order-maybe").length, 10);
  const { offered, accepted: promised, soldOut, limited, tooOften, refused, overloaded, notSent, unknown } = ended;
  assert.deepEqual([offered, promised, soldOut, limited, tooOften, refused, overloaded, notSent, unknown], [140, 0, 10, 20, 10, 30, 10, 0, 70]);
});

test("what never left is known to be without effect", async (t) => {
  const { load, readHistory, gateway, progress } = await stage(t, () => ({ kind: "silence" }), { inFlightMax: 20, timeoutMs: 30_000 });
  const phase = await load.start(PLAN);
  await until(() => gateway.purchases.length === 20 && (progress.at(-1)?.notSent ?? 0) > 0, "20 in flight, and some that found no room");
  await load.quit();
  await assert.rejects(phase.ended, { code: "gone" });
  const { operations } = await readHistory();
  const counts = by(operations);
  assert.equal(counts["purchase info abandoned"], 20);
  assert.ok((counts["purchase fail not sent: too many in flight"] ?? 0) > 0);
  assert.ok(operations.every(({ a, outcome }) => (a === null) === (outcome === "fail")));
});

test("few connections serve many buyers: an unused one makes room for the next", async (t) => {
  const { load, readHistory } = await stage(t, () => refusal(409, "sold-out"), { connectionsMax: 5, timeoutMs: 20_000 });
  await (await load.start(PLAN)).ended;
  await load.quit();
  assert.deepEqual(by((await readHistory()).operations), { "purchase reject sold-out": 400 });
});

test("who finds no connection in time was not sent, and nothing is forgotten when the load is ended", async (t) => {
  const { load, readHistory, progress } = await stage(t, () => ({ kind: "silence" }), { connectionsMax: 5, timeoutMs: 700 });
  const phase = await load.start({ ...PLAN, seconds: 60 });
  await until(() => (progress.at(-1)?.notSent ?? 0) > 0 && (progress.at(-1)?.inFlight ?? 0) > 50, "some that wait, and some that waited in vain");
  await load.quit();
  await assert.rejects(phase.ended, { code: "gone" });
  const { operations, ending } = await readHistory();
  const counts = by(operations);
  assert.ok((counts["purchase fail not sent: no connection free"] ?? 0) > 0 && (counts["purchase fail not sent: the load was ended"] ?? 0) > 40, JSON.stringify(counts));
  assert.ok(operations.every(({ a, outcome }) => (a === null) === (outcome === "fail")));
  // Every slot of the plan up to the end has its line.
  const slots = operations.map(({ intent }) => parseInt(intent.requestId.slice("test-1-".length), 36)).toSorted((one, other) => one - other);
  assert.deepEqual(slots, Array.from({ length: slots.length }, (_, slot) => slot));
  assert.equal(ending.kind, "complete");
});

test("nobody listening is a failure, not a doubt", async (t) => {
  const { load, readHistory, gateway } = await stage(t, () => refusal(409, "sold-out"));
  await gateway.close();
  // The stage closes it again.
  gateway.close = async () => undefined;
  const ended = await (await load.start({ ...PLAN, ratePerSecond: 100 })).ended;
  await load.quit();
  assert.deepEqual(by((await readHistory()).operations), { "purchase fail not sent: ECONNREFUSED": 100 });
  assert.deepEqual([ended.notSent, ended.answerMs], [100, null]);
});

test("a repeated request id must have the same order; another one is evidence", async (t) => {
  const { load, readHistory } = await stage(t, ({ requestId, earlier, buyer }) => accepted(buyer === "buyer-3" && earlier > 0 ? `other-${requestId}` : `order-${requestId}`));
  const ended = await (await load.start({ ...PLAN, buyers: 8, repeatShare: 0.5 })).ended;
  await load.quit();
  const { operations } = await readHistory();
  const repeats = operations.filter(({ intent }) => intent.again === true);
  assert.ok(repeats.length > 120 && repeats.length < 280, `${repeats.length} repeats`);
  const lies = operations.filter(({ before }) => before !== undefined);
  assert.equal(lies.length, ended.otherOrder);
  assert.deepEqual(new Set(lies.map(({ intent }) => intent.requestId)), new Set(repeats.filter(({ intent }) => intent.buyer === "buyer-3").map(({ intent }) => intent.requestId)));
  // Two that are under way at once may be answered in either order.
  for (const { before, key, intent } of lies) assert.deepEqual([before ?? "", key].toSorted(), [`order-${intent.requestId}`, `other-${intent.requestId}`]);
});

test("who has bought mostly leaves his turn to others, but still comes now and then", async (t) => {
  const bought = new Set<string>();
  const { load } = await stage(t, ({ buyer, requestId }) => {
    if (bought.has(buyer)) return refusal(409, "limited");
    if (bought.size === 50) return refusal(409, "sold-out");
    bought.add(buyer);
    return accepted(`order-${requestId}`);
  });
  const ended = await (await load.start({ ...PLAN, seconds: 2, returnShare: 0.1 })).ended;
  await load.quit();
  assert.equal(ended.accepted, 50);
  assert.ok(ended.limited > 0 && ended.limited < ended.soldOut, `${ended.limited} limited, ${ended.soldOut} sold out`);
});

test("an order is followed to the first final state that is seen, and what is not final in time is said to be open", async (t) => {
  const { gateway, load, readHistory } = await stage(t, ({ requestId }) => accepted(`order-${requestId}`));
  const states: Record<string, string> = {};
  gateway.stateOf = (orderId) => states[orderId] ?? "placed";
  await (await load.start({ ...PLAN, ratePerSecond: 30, buyers: 30 })).ended;
  const [first, second, ...others] = gateway.purchases.map(({ requestId }) => `order-${requestId}`);
  assert.ok(first !== undefined && second !== undefined);
  for (const orderId of others) states[orderId] = "declined";
  states[first] = "paid";
  const early = await load.settle(4_000);
  assert.deepEqual([early.open, early.phases[0]?.paid], [1, 1]);
  states[second] = "expired";
  const late = await load.settle(20_000);
  assert.equal(late.open, 0);
  await load.quit();
  const { finals } = await readHistory();
  assert.deepEqual(Object.fromEntries(finals.map(({ orderId, state }) => [orderId, state])), states);
  assert.equal(finals.length, 30);
});

test("after the load each unknown outcome is asked for again until it has one answer, or none", async (t) => {
  const { gateway, load, readHistory } = await stage(t, ({ requestId, earlier }) => {
    if (earlier === 0) return { kind: "reset" };
    if (earlier === 1) return refusal(429, "limited");
    if (earlier === 2) return refusal(503, "overloaded");
    if (requestId.endsWith("-0")) return { kind: "json", status: 503, body: { kind: "unknown" } };
    return requestId.endsWith("-1") ? accepted("order-1") : refusal(409, "sold-out");
  });
  const ended = await (await load.start({ ...PLAN, ratePerSecond: 20, buyers: 20 })).ended;
  assert.equal(ended.unknown, 20);
  const settled = await load.settle(4_000);
  assert.deepEqual([settled.resolved, settled.unresolved, settled.open], [19, 1, 0]);
  await load.quit();
  const { operations, finals } = await readHistory();
  const settles = operations.filter(({ op }) => op === "settle");
  assert.equal(settles.length, 20);
  assert.deepEqual(settles.filter(({ outcome }) => outcome === "info").map(({ intent }) => intent.requestId), ["test-1-0"]);
  assert.deepEqual(settles.filter(({ outcome }) => outcome === "accepted").map(({ key }) => key), ["order-1"]);
  assert.equal(settles.filter(({ evidence }) => evidence === "sold-out").length, 18);
  assert.deepEqual(finals.map(({ orderId }) => orderId), ["order-1"]);
  assert.ok(gateway.purchases.every(({ quantity }) => quantity === 1));
});

test("faults of the parent are in the history on its clock", async (t) => {
  const { load, readHistory } = await stage(t, () => refusal(409, "sold-out"));
  const fromMs = machineMs();
  await load.note({ kind: "fault", name: "kill", target: "stock", fromMs, toMs: machineMs() });
  await load.note({ kind: "clock", clock: "stock", atMs: fromMs, unixMs: 1_000 });
  await assert.rejects(load.note({ kind: "heal", name: "kill", target: "stock", fromMs: 2, toMs: 1 }), { code: "invalid-order" });
  const phase = await load.start({ ...PLAN, seconds: 60 });
  await assert.rejects(load.start(PLAN), { code: "busy" });
  await assert.rejects(load.settle(10), { code: "busy" });
  load.stop();
  const { offered } = await phase.ended;
  assert.ok(offered < 24_000);
  await load.quit();
  const { injections, clocks, ending } = await readHistory();
  assert.equal(ending.kind, offered === 0 ? "empty" : "complete");
  const [fault] = injections;
  assert.equal(injections.length, 1);
  assert.ok(fault !== undefined && Math.abs(fault.from - (fromMs - load.originMs)) < 0.01 && fault.to >= fault.from);
  assert.equal(clocks.filter(({ clock }) => clock === "stock").length, 1);
});

test("SIGKILL leaves a history that can be read up to its last flush, and is seen to be broken off", async (t) => {
  const { load, historyPath, readHistory } = await stage(t, () => refusal(409, "sold-out"));
  const phase = await load.start({ ...PLAN, seconds: 30 });
  await until(() => statSync(historyPath).size > 20_000, "some history");
  const flushed = readFileSync(historyPath, "utf8").split("\n").filter((line) => line.includes('"operation"')).length;
  process.kill(load.pid, "SIGKILL");
  await assert.rejects(phase.ended, { code: "gone" });
  const { ending, operations } = await readHistory();
  assert.equal(ending.kind, "broken-off");
  assert.ok(operations.length >= flushed - 1 && flushed > 50, `${operations.length} of ${flushed}`);
});

test("the generator ends with its parent", async (t) => {
  const folder = leashedFolder(join(tmpdir(), "tripact-load-"));
  t.after(() => removeLeashedFolder(folder));
  const historyPath = join(folder, "history.ndjson");
  const gateway = await startStandIn(() => refusal(409, "sold-out"));
  t.after(() => gateway.close());
  const fixture = fileURLToPath(import.meta.resolve("./stand-in/parent.fixture.ts"));
  const parent = await spawnLeashed({ command: process.execPath, args: [fixture, gateway.url, historyPath], stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => parent.killWhole());
  assert.ok(parent.stdout);
  const { value } = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
  const pid = Number(value);
  await until(() => gateway.purchases.length > 20, "some load");
  assert.deepEqual(stillAlive([pid]), [pid]);
  parent.kill("SIGKILL");
  await until(() => stillAlive([pid]).length === 0, "its end");
  assert.notEqual((await loadHistory(historyPath)).ending.kind, "complete");
});

test("without anybody at the other end of its orders it ends, and says that the run was broken off", async (t) => {
  const folder = leashedFolder(join(tmpdir(), "tripact-load-"));
  t.after(() => removeLeashedFolder(folder));
  const historyPath = join(folder, "history.ndjson");
  const gateway = await startStandIn(() => refusal(409, "sold-out"));
  t.after(() => gateway.close());
  const main = fileURLToPath(import.meta.resolve("./main.ts"));
  const child = await spawnLeashed({ command: process.execPath, args: [main], env: { ...process.env, TARGET: gateway.url, HISTORY: historyPath }, stdio: ["pipe", "ignore", "inherit"] });
  t.after(() => child.killWhole());
  child.stdin?.write(`${JSON.stringify({ kind: "start", ...PLAN, seconds: 60 })}\n`);
  await until(() => gateway.purchases.length > 20, "some load");
  child.stdin?.end();
  assert.deepEqual(await child.waitForExit(), { code: 1, signal: null });
  const { ending, operations } = await loadHistory(historyPath);
  assert.deepEqual(ending, { kind: "broken-off", operations: operations.length, tornBytes: 0 });
  assert.ok(operations.length >= gateway.purchases.length);
});
