import assert from "node:assert/strict";
import test from "node:test";
import type { Evidence, OrderRow, PaymentRow } from "../../checkers/checker.ts";
import { judge } from "../../checkers/judge.ts";
import type { Final, Operation } from "../../history/line.ts";
import type { History } from "../../history/reader.ts";
import { NOTHING_READ } from "../../evidence/read-evidence.ts";
import { businessOf } from "./business.ts";
import type { ReadKind } from "../../results/results.ts";
import { readsOf } from "./reads.ts";
import { recordOf, type Ran } from "./record.ts";
import { earlierOf, since } from "./since.ts";

// A sale on paper: the history's zero is the Unix time 1,000,000.
const UNIX_MS = 1_000_000;
const SKU = "lamp";

const purchase = (id: string, s: number, more: Partial<Operation> = {}): Operation => ({ kind: "operation", op: "purchase", key: id, intent: { phase: 1, buyer: `b-${id}`, requestId: `r-${id}`, quantity: 1 }, s, a: s + 1, c: s + 5, outcome: "accepted", evidence: "accepted", ...more });
const final = (orderId: string, at: number, state = "paid"): Final => ({ kind: "final", orderId, state, at });
const history = (operations: readonly Operation[], finals: readonly Final[]): History => ({
  header: { kind: "header", schema: 1, run: "r", seed: 1, originMs: 0, unixMs: UNIX_MS }, operations, finals, phases: [], injections: [], clocks: [],
  ending: { kind: "complete", operations: operations.length },
});
const order = (orderId: string, placed: number, ended: number | null, more: Partial<OrderRow> = {}): OrderRow => ({
  orderId, seq: 1, sku: SKU, buyer: `b-${orderId}`, requestId: `r-${orderId}`, quantity: 1, cents: 500, chunk: null, state: ended === null ? "placed" : "paid", because: null,
  placedAtMs: UNIX_MS + placed, expiresAtMs: null, endedAtMs: ended === null ? null : UNIX_MS + ended, ...more,
});
const payment = (orderId: string, changed: number, state: PaymentRow["state"] = "captured", errand: PaymentRow["errand"] = null): PaymentRow => ({ orderId, buyer: `b-${orderId}`, cents: 500, capture: "at-once", state, errand, changedAtMs: UNIX_MS + changed });
const evidence = (more: Partial<Evidence>): Evidence => ({
  sales: [], historyIsWhole: true, operations: [], finals: [], orders: [], events: [], allowances: [], items: [], chunks: [], holds: [], movements: [], payments: [], postings: [],
  charges: [], journals: [], mailboxes: [], transactions: [], entries: [], barriers: [], messages: [], deliveries: [], livingGateways: [], ...more,
});

test("served is what was seen paid, from its first sending; a no and an unknown end are not", () => {
  const unknown = purchase("request:r-c", 30, { outcome: "info", evidence: "timeout", intent: { phase: 1, buyer: "c", requestId: "r-c", quantity: 1 } });
  const settled = purchase("c", 900, { op: "settle", intent: unknown.intent });
  const heard = history([purchase("a", 10), purchase("b", 20, { outcome: "reject" }), unknown, settled], [final("a", 50), final("b", 60, "declined"), final("c", 950), final("stranger", 70)]);
  const { served, offered } = businessOf(heard, evidence({}), SKU);
  assert.deepEqual(served, [{ sentMs: 11, okMs: 50 }, { sentMs: 31, okMs: 950 }]);
  assert.deepEqual(offered.map(({ intentMs, answered }) => [intentMs, answered]), [[10, true], [20, true], [30, false]]);
});

test("a transaction ends when order and payment both have, and not while one of them has not", () => {
  const orders = [order("a", 10, 40), order("b", 10, 40), order("c", 10, 40), order("d", 10, null), order("x", 1, 2, { sku: "other" })];
  const { transactions } = businessOf(history([], []), evidence({ orders, payments: [payment("a", 70), payment("b", 30), payment("c", 70, "captured", "refund")] }), SKU);
  assert.deepEqual(transactions.map(({ key, openedMs, endedMs }) => [key, openedMs, endedMs]), [["a", 10, 70], ["b", 10, 40], ["c", 10, null], ["d", 10, null]]);
});

test("nor while its units are held, or whoever sees to it has not ended; a refund is part of it", () => {
  const orders = ["a", "b", "c", "d"].map((id) => order(id, 10, 40));
  const payments = ["a", "b", "c", "d"].map((id) => payment(id, 50));
  const hold = (orderId: string, state: "held" | "sold") => ({ orderId, sku: SKU, quantity: 1, chunk: null, state });
  const moved = (reference: string, atMs: number) => ({ id: atMs, sku: SKU, reference, source: "held" as const, target: "sold" as const, units: 1, atMs: UNIX_MS + atMs });
  const ended = (gid: string, atMs: number | null) => ({ gid, kind: "coordinated" as const, status: "committed" as const, epoch: 1, seq: 2, pruned: false, endedAtMs: atMs === null ? null : UNIX_MS + atMs });
  const all = evidence({
    orders, payments, events: [{ orderId: "a", atMs: UNIX_MS + 12, what: "placed" }], holds: [hold("a", "sold"), hold("b", "held"), hold("c", "sold"), hold("d", "sold")],
    movements: [moved("a", 20), moved("a", 90)], transactions: [ended("a", 80), ended("c", null), ended("d", 60), ended("refund-d", 300)],
  });
  const { transactions, traces } = businessOf(history([], []), all, SKU);
  assert.deepEqual(transactions.map(({ key, endedMs }) => [key, endedMs]), [["a", 90], ["b", null], ["c", null], ["d", 300]]);
  assert.deepEqual(traces[0], { key: "a", effectsMs: [12, 20, 50, 90], final: true });
});

test("a run whose databases could not be read is a record all the same, and nothing in it is zero that is not known", () => {
  const record = recordOf(ran({ evidence: { ...NOTHING_READ, livingGateways: [] }, verdicts: judge(NOTHING_READ) }));
  assert.deepEqual([record.verdict, record.rpo.operations, record.harm.torn, record.harm.stuck, record.compensation], ["unknown", null, null, null, null]);
  assert.deepEqual([record.rtoMs.first, record.rtoMs.tx, record.rtoMs.headline], [2_070, { unmeasured: "the databases could not be read" }, { unmeasured: "settle: transactions: the databases could not be read" }]);
});

test("that nothing was oversold is said only where the stock ran out", () => {
  const oversold = (free: number): number | null => {
    const all = { ...ran().evidence, items: [{ sku: SKU, initial: 1_000, free }], holds: [], movements: [] };
    return recordOf(ran({ evidence: all, verdicts: judge(all) })).oversold;
  };
  assert.deepEqual([oversold(0), oversold(1)], [0, null]);
});

test("rows that were written by a wrong clock: transactions are timed by what buyers saw, and nothing else is", () => {
  const hour = 3_600_000;
  const orders = [order("a", hour, hour + 30), order("b", 10, null), order("c", 10, 40), order("d", 10, 40)];
  // Nobody saw the end of c, nor the beginning of d.
  const heard = history([purchase("a", 10), purchase("b", 20), purchase("c", 30)], [final("a", 50), final("d", 60)]);
  const { transactions, traces, steps } = businessOf(heard, evidence({ orders, events: [{ orderId: "a", atMs: UNIX_MS + hour, what: "placed" }] }), SKU, "skewed");
  assert.deepEqual(transactions, [{ key: "a", openedMs: 11, endedMs: 50 }, { key: "b", openedMs: 21, endedMs: null }]);
  assert.deepEqual([traces, [...steps]], [[], []]);
});

test("compensation: what was held and paid of an order that failed was to be taken back", () => {
  const orders = [order("a", 1, 2, { state: "declined" }), order("b", 1, 2, { state: "expired" }), order("c", 1, 2)];
  const hold = { sku: SKU, quantity: 1, chunk: null };
  const holds = [{ ...hold, orderId: "a", state: "released" }, { ...hold, orderId: "b", state: "held" }, { ...hold, orderId: "c", state: "sold" }] as const;
  const { ended } = businessOf(history([], [final("b", 3)]), evidence({ orders, holds, payments: [payment("b", 2, "voided"), payment("c", 2)] }), SKU);
  assert.deepEqual(ended, [
    { key: "a", effects: 1, undone: 1, decision: "no", clientWasToldPaid: false },
    { key: "b", effects: 2, undone: 1, decision: "no", clientWasToldPaid: true },
    { key: "c", effects: 2, undone: 0, decision: "yes", clientWasToldPaid: false },
  ]);
});

test("what was there before a sale is not counted again: rows, charges by their keys, and leftovers by how many", () => {
  const before = evidence({ orders: [order("old", 1, null, { sku: "first" })], journals: [{ database: "orders", open: 2, parked: 0 }], mailboxes: [{ database: "stock", subscription: "s", waiting: 1, parked: 0 }] });
  const charge = { cents: 1, state: "captured" } as const;
  const now = evidence({
    orders: [order("old", 1, null, { sku: "first" }), order("new", 5, 6)],
    payments: [payment("old", 2), payment("new", 6), payment("stranger", 7)],
    charges: [{ ...charge, key: "old:1" }, { ...charge, key: "new" }, { ...charge, key: "stranger:2" }],
    items: [{ sku: "first", initial: 1, free: 0 }, { sku: SKU, initial: 9, free: 8 }],
    journals: [{ database: "orders", open: 3, parked: 0 }], mailboxes: [{ database: "stock", subscription: "s", waiting: 1, parked: 0 }], events: null,
  });
  const left = since(now, SKU, earlierOf(before));
  assert.deepEqual(left.orders?.map(({ orderId }) => orderId), ["new"]);
  assert.deepEqual(left.payments?.map(({ orderId }) => orderId), ["new", "stranger"]);
  assert.deepEqual(left.charges?.map(({ key }) => key), ["new", "stranger:2"]);
  assert.deepEqual(left.items?.map(({ sku }) => sku), [SKU]);
  assert.deepEqual([left.journals?.[0]?.open, left.mailboxes?.[0]?.waiting], [1, 0]);
  assert.equal(left.events, null, "what was not read is not empty");
});

/** Ten purchases a second for 20 s; nothing from 9.95 s to 12 s, when the orders that were open end at last. */
function ran(more: Partial<Ran> = {}, downFromMs = 9_950, downToMs = 12_000): Ran {
  const ids = Array.from({ length: 200 }, (_, index) => `o${index}`);
  const sent = (index: number): number => index * 100 + 5;
  const paid = (index: number): number => (sent(index) + 60 > downFromMs && sent(index) < downToMs ? downToMs + 20 : sent(index) + 60);
  const events = ids.map((orderId, index) => ({ orderId, atMs: UNIX_MS + sent(index) + 2, what: "placed" }));
  const all = evidence({
    sales: [{ sku: SKU, units: 1_000, cents: 500, limitPerBuyer: 9 }], orders: ids.map((id, index) => order(id, sent(index) + 2, paid(index))), events,
    payments: ids.map((id, index) => payment(id, paid(index))),
  });
  return {
    startedAt: "2026-01-01T00:00:00.000Z", seed: 1, replay: "npm run lab", sku: SKU,
    history: history(ids.map((id, index) => purchase(id, sent(index))), ids.map((id, index) => final(id, paid(index)))),
    evidence: all, verdicts: judge(all), baseline: { fromMs: 1_000, toMs: 9_950 }, fault: { fromMs: 9_950, toMs: 9_954 }, injected: true, victim: "postgres", rowTimes: "true", healedAtMs: 11_500,
    offeredUntilMs: 20_000, untilMs: 21_000, probes: [{ fromMs: 9_900, toMs: 9_901, ok: true }, { fromMs: 10_100, toMs: 10_101, ok: false }, { fromMs: 11_500, toMs: 11_501, ok: true }],
    oneHost: [{ fromMs: 10_500, toMs: 20_000 }], ratePerSecond: 10, backlog: null, cpuMs: null, seen: null, notes: [], remarks: [], ...more,
  };
}

test("a run's record: times from its baseline's start, recovery by its worst second, and what the dependency's own outage leaves", () => {
  const record = recordOf(ran());
  assert.deepEqual([record.baseline, record.fault, record.healedAtMs, record.untilMs], [{ fromMs: 0, toMs: 8_950 }, { fromMs: 8_950, toMs: 8_954 }, 10_500, 20_000]);
  assert.deepEqual(record.threshold, { perSecond: 10, from: "baseline", healthySeconds: 9 });
  assert.deepEqual([record.momentMs, record.down], [8_950, [{ fromMs: 9_100, toMs: 10_501 }]]);
  assert.equal(record.rtoMs.first, 2_070);
  assert.equal(record.rtoMs.settle, 2_070);
  assert.equal(record.rtoMs.headline, 2_070);
  assert.equal(record.outageMs, 1_401);
  assert.equal(record.rtoMs.excess, 669);
  assert.deepEqual(record.oneHost, [{ fromMs: 9_500, toMs: 19_000 }]);
  assert.equal(Math.round(record.goodput.baseline ?? 0), 10);
  // What a report draws: purchases in each step, ten a second before the fault.
  const { fromMs, stepMs, ok } = record.series.goodput;
  const before = ok.filter((_, step) => fromMs + (step + 1) * stepMs <= (record.fault?.fromMs ?? 0));
  assert.equal(Math.round((before.reduce((sum, count) => sum + count, 0) * 1_000) / (before.length * stepMs)), 10);
  assert.equal(record.timelines[0]?.steps[0]?.what, "placed");
  assert.equal((8_950 - fromMs) % stepMs, 0, "a step begins at the moment of the fault");
});

test("a run without a fault has a moment all the same, and needs no time to come back from nothing", () => {
  const control = recordOf(ran({ injected: false }, 30_000, 30_000));
  assert.deepEqual([control.fault, control.momentMs], [null, 8_950]);
  assert.deepEqual([control.rtoMs.sustained, control.rtoMs.headline], [0, 15]);
  assert.equal(control.inconsistencyMs.underFault, null);
});

test("a baseline without business leaves recovery unmeasured, and a note makes the run incomplete", () => {
  const record = recordOf(ran({ notes: ["not healed: late"] }, 0, 12_000));
  assert.equal(record.threshold, null);
  assert.equal(typeof record.rtoMs.sustained, "object");
  assert.equal(record.complete, false);
  assert.ok(record.notJudged.includes("not healed: late"));
});

test("messages that wait are part of having settled, and a rest that did not come is said", () => {
  const backlog = [{ atMs: 5_000, level: 3 }, { atMs: 10_500, level: 40 }, { atMs: 13_000, level: 2 }];
  const record = recordOf(ran({ backlog, remarks: ["not at rest"] }));
  assert.equal(record.rtoMs.settle, 13_000 - 9_950);
  assert.ok(record.complete);
  assert.ok(record.notJudged.includes("not at rest"));
});

test("a baseline far below what was offered is said: nothing can come back that was not there", () => {
  assert.deepEqual(recordOf(ran()).notJudged.filter((line) => line.includes("a second were paid")), []);
  assert.ok(recordOf(ran({ ratePerSecond: 30 })).notJudged.some((line) => line.startsWith("before the fault 9.9 of 30 purchases a second were paid")));
});

test("what the judges say is passed on: figures, examples, and how far back the oldest loss lies", () => {
  const lost = ran({ evidence: evidence({}) });
  const all = evidence({ operations: [{ orderId: "o1", requestId: "r", buyer: "b", quantity: 2, intentMs: 8_000, completedMs: 8_005, outcome: "accepted", evidence: "" }], sales: [{ sku: SKU, units: 9, cents: 500, limitPerBuyer: 9 }] });
  const record = recordOf({ ...lost, verdicts: judge(all) });
  assert.equal(record.verdict, "invalid");
  assert.deepEqual(record.rpo, { operations: 1, units: 2, money: 1_000, oldestMs: 1_945 });
  assert.ok(record.violations.some(({ checker, key }) => checker === "lost" && key === "o1"));
  assert.ok(record.notJudged.length > 0, "judges had nothing to look at");
});

test("what a stranger saw and is not so in the end was undone: taken back, or forgotten by a failover", () => {
  const orders = [order("a", 1, 2), order("b", 1, 2, { state: "declined" }), order("c", 1, 2, { state: "refunded" })];
  const hold = { sku: SKU, quantity: 1, chunk: null };
  const holds = [{ ...hold, orderId: "a", state: "sold" }, { ...hold, orderId: "b", state: "released" }, { ...hold, orderId: "c", state: "restocked" }] as const;
  const sighting = (kind: ReadKind, orderId: string) => ({ kind, orderId, atMs: 5 });
  const sightings = [
    sighting("orderPaid", "a"), sighting("orderPaid", "c"), sighting("orderPaid", "forgotten"), sighting("unitsHeld", "a"), sighting("unitsHeld", "b"), sighting("unitsSold", "c"),
    sighting("paymentAuthorised", "b"), sighting("paymentCaptured", "a"), sighting("paymentCaptured", "c"),
  ];
  const rows = evidence({ orders, holds, payments: [payment("a", 2), payment("b", 2, "voided"), payment("c", 3, "refund-due", "refund")] });
  const reads = readsOf({ looks: 9, unanswered: 1, sightings }, rows);
  assert.deepEqual(reads?.kinds, { orderPaid: { seen: 3, undone: 2 }, unitsSold: { seen: 1, undone: 1 }, paymentCaptured: { seen: 2, undone: 1 }, unitsHeld: { seen: 2, undone: 1 }, paymentAuthorised: { seen: 1, undone: 1 } });
  assert.deepEqual([reads?.looks, reads?.unanswered], [9, 1]);
  assert.equal(readsOf({ looks: 9, unanswered: 1, sightings }, { ...rows, holds: null }), null, "what became of it is not known");
  assert.deepEqual(recordOf(ran({ seen: { looks: 1, unanswered: 0, sightings: [sighting("orderPaid", "nobody's")] } })).reads?.kinds.orderPaid, { seen: 1, undone: 1 });
});

test("CPU time goes over the purchases of its own stretch of time; where a server died, nobody knows the sum", () => {
  const { healthy, underFault } = recordOf(ran({ cpuMs: { healthy: { orders: 890, postgres: 445 }, underFault: { orders: 500, postgres: undefined } } })).performance;
  assert.deepEqual([healthy?.cpuMsPerPurchase.byKind["orders"]?.toFixed(0), healthy?.cpuMsPerPurchase.total?.toFixed(0)], ["10", "15"]);
  assert.equal(underFault?.cpuMsPerPurchase.total, null);
  assert.equal(underFault?.cpuMsPerPurchase.byKind.postgres, null);
  assert.ok((underFault?.cpuMsPerPurchase.byKind.orders ?? 0) > 0);
  assert.deepEqual(recordOf(ran()).performance.healthy?.cpuMsPerPurchase, { total: null, byKind: {} });
  assert.equal(recordOf(ran({ injected: false }, 30_000, 30_000)).performance.underFault, null);
});
