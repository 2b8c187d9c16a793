import assert from "node:assert/strict";
import { test } from "node:test";
import { arrivals, seeded, turns } from "./arrivals.ts";
import { Phase } from "./phase.ts";
import { OrderError, orderName, readOrder, type PhasePlan } from "./protocol.ts";
import { addressOf, BUYERS_MAX, followerAddressOf } from "./sending/addresses.ts";
import type { Ask } from "./sending/sender.ts";
import { readSettings } from "./settings.ts";

const START = { kind: "start", sku: "lamp", ratePerSecond: 300, seconds: 3, seed: 5 };
const PLAN: PhasePlan = { sku: "lamp", ratePerSecond: 300, seconds: 3, seed: 5, buyers: 100, firstBuyer: 50, quantity: 2, repeatShare: 0.2, returnShare: 0.5 };

test("every second has its exact count, in order, and the seed decides the rest", () => {
  const times = [...arrivals(300, 3, seeded(5))];
  assert.equal(times.length, 900);
  assert.deepEqual(times, times.toSorted((one, other) => one - other));
  for (const second of [0, 1, 2]) assert.equal(times.filter((ms) => Math.floor(ms / 1_000) === second).length, 300);
  assert.deepEqual(times, [...arrivals(300, 3, seeded(5))]);
  assert.notDeepEqual(times, [...arrivals(300, 3, seeded(6))]);
});

test("each buyer has one turn in a round", () => {
  const order = turns(1_000, seeded(1));
  assert.deepEqual([...order].toSorted((one, other) => one - other), Array.from({ length: 1_000 }, (_, index) => index));
  assert.notDeepEqual([...order], [...order].toSorted((one, other) => one - other));
});

test("a phase of one seed asks the same again, and never waits for an answer", () => {
  const asked = (now: number): Ask[] => {
    const asks: Ask[] = [];
    new Phase(1, PLAN, 1_000, "run").offerDue(now, (ask) => asks.push(ask));
    return asks;
  };
  // Nobody answers, and the process slept for all of it: everything is sent now, and was meant when it was meant.
  const late = asked(60_000);
  assert.equal(late.length, 900);
  assert.ok(late.every(({ s }) => s >= 1_000 && s < 4_000));
  assert.deepEqual(late, asked(60_000));
  assert.equal(asked(2_000).length, 300);
  assert.ok(late.every(({ buyer, quantity }) => buyer >= 50 && buyer < 150 && quantity === 2));
  const again = late.filter((ask) => ask.again);
  assert.ok(again.length > 100 && again.length < 260, `${again.length}`);
  for (const ask of again) assert.ok(late.some((other) => !other.again && other.requestId === ask.requestId && other.buyer === ask.buyer));
  assert.equal(new Set(late.map(({ requestId }) => requestId)).size, 900 - again.length);
});

test("latency counts from the intended start, and what was never sent has none", () => {
  const phase = new Phase(1, PLAN, 1_000, "run");
  const asks: Ask[] = [];
  phase.offerDue(60_000, (ask) => asks.push(ask));
  const [late, unsent] = asks;
  assert.ok(late !== undefined && unsent !== undefined);
  phase.learn({ ask: late, answer: { outcome: "info", evidence: "timeout" }, a: 60_000, c: late.s + 61_000 });
  phase.learn({ ask: unsent, answer: { outcome: "fail", evidence: "not sent: too many in flight" }, a: null, c: 60_000 });
  assert.deepEqual(phase.answerMs.summary(), { count: 1, p50: 61_000, p95: 61_000, p99: 61_000, max: 61_000 });
});

test("no two buyers share an address, and nobody has one where others listen", () => {
  const addresses = new Set<string>();
  for (let buyer = 0; buyer < 200_000; buyer += 1) addresses.add(addressOf(buyer));
  for (let index = 0; index < 32; index += 1) addresses.add(followerAddressOf(index));
  assert.equal(addresses.size, 200_032);
  for (const buyer of [0, 249, 250, 62_499, 62_500, BUYERS_MAX - 1]) assert.match(addressOf(buyer), /^127\.(?:[1-9]|[1-9]\d|1\d\d)\.(?:1?\d?\d|2[0-4]\d)\.(?:[1-9]|[1-9]\d|1\d\d|2[0-4]\d|250)$/);
});

test("an order that cannot be is refused with its reason", () => {
  assert.deepEqual(readOrder(JSON.stringify(START)), { kind: "start", plan: { ...PLAN, buyers: 2_500, firstBuyer: 0, quantity: 1, repeatShare: 0.01, returnShare: 0.1 } });
  const bad: readonly unknown[] = [
    7, null, {}, { kind: "begin" }, { ...START, sku: "" }, { ...START, ratePerSecond: 0 }, { ...START, seconds: "3" }, { ...START, buyers: 0 }, { ...START, quantity: 1.5 },
    { ...START, repeatShare: 2 }, { ...START, seed: -1 }, { ...START, ratePerSecond: 100_000, seconds: 86_400 }, { ...START, firstBuyer: BUYERS_MAX }, { kind: "settle" },
    { kind: "fault", name: "kill", fromMs: 2, toMs: 1 }, { kind: "clock", clock: "", atMs: 1, unixMs: 1 },
  ];
  for (const order of bad) assert.throws(() => readOrder(JSON.stringify(order)), OrderError, JSON.stringify(order));
  assert.throws(() => readOrder("{"), OrderError);
  assert.deepEqual([orderName("{"), orderName('{"kind":"begin"}')], [null, "begin"]);
});

test("a setting that cannot be names itself", () => {
  const env = { TARGET: "http://127.0.0.1:8080", HISTORY: "history.ndjson", RUN: "r1" };
  assert.equal(readSettings(env).timeoutMs, 2_000);
  for (const [name, value] of [["TARGET", "ftp://127.0.0.1"], ["TARGET", ""], ["HISTORY", ""], ["RUN", 'a"b'], ["SEED", "x"], ["TIMEOUT_MS", "0"]] as const) {
    assert.throws(() => readSettings({ ...env, [name]: value }), { code: "invalid-setting", message: new RegExp(`^${name} `) });
  }
});
