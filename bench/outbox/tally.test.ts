import assert from "node:assert/strict";
import test from "node:test";
import { ratesBetween, Tally, totalAt } from "./tally.ts";
import type { Mark } from "./tally.ts";

test("between two reports deliveries lie on a straight line, after the last one they stand still", () => {
  const heard = [{ atMs: 0, total: 0 }, { atMs: 100, total: 10 }, { atMs: 110, total: 30 }];
  assert.equal(totalAt(heard, 100), 10);
  assert.equal(totalAt(heard, 105), 20);
  assert.equal(totalAt(heard, 110), 30);
  assert.equal(totalAt(heard, 999), 30);
});

test("what a mark did not know yet is filled in from what was heard later", () => {
  const tally = new Tally();
  tally.onCommit(0, 100, 1000);
  tally.onDelivered({ atMs: 1000, total: 40 });
  const mark = tally.mark(1005);
  tally.onDelivered({ atMs: 1010, total: 60 });
  assert.equal(mark.delivered, 40);
  assert.equal(tally.settled(mark).delivered, 50);
});

test("a consumer that is ahead of its producer's knowledge leaves no negative backlog", () => {
  const tally = new Tally();
  tally.onCommit(0, 10, 1000);
  const mark = tally.mark(1000);
  tally.onDelivered({ atMs: 1001, total: 12 });
  assert.equal(tally.settled({ ...mark, atMs: 1001 }).delivered, 10);
});

test("latency runs from the producer's commit to the consumer's, message by message", () => {
  const tally = new Tally();
  tally.onCommit(0, 1, 900);
  tally.onCommit(1, 2, 1000);
  tally.onCommit(3, 1, 1100);
  tally.onApplied(Float64Array.from([0, 901, 2, 1008, 1, 1003, 3, 1109]));
  assert.deepEqual(tally.latencies(1000, 1100), { latencies: { p50Ms: 3, p95Ms: 8, p99Ms: 8, count: 2 }, missing: 0 });
});

test("a message applied twice counts from the first time, one not applied is missing", () => {
  const tally = new Tally();
  tally.onCommit(0, 2, 1000);
  tally.onApplied([0, 1004, 0, 1999]);
  assert.deepEqual(tally.latencies(1000, 1001), { latencies: { p50Ms: 4, p95Ms: 4, p99Ms: 4, count: 1 }, missing: 1 });
});

test("no message, no latency", () => assert.deepEqual(new Tally().latencies(0, 1), { latencies: null, missing: 0 }));

const mark = (atMs: number, committed: number, delivered: number): Mark => ({ atMs, commits: committed / 10, committed, delivered });

test("rates are those between the first mark and the last", () => {
  const rates = ratesBetween({ open: mark(1000, 500, 400), half: mark(2000, 1500, 1400), end: mark(3000, 2500, 2390) }, 0, 16);
  assert.deepEqual(rates, {
    commitsPerSecond: 100,
    committedPerSecond: 1000,
    deliveredPerSecond: 995,
    backlogHalf: 100,
    backlogEnd: 110,
    heldShare: 0,
    keptUp: 1,
  });
});

test("a backlog that grows is no keeping up, nor are producers that have to wait", () => {
  const open = mark(1000, 0, 0);
  const half = mark(2000, 10_000, 9900);
  assert.equal(ratesBetween({ open, half, end: mark(3000, 20_000, 19_780) }, 0, 16).keptUp, 0);
  assert.equal(ratesBetween({ open, half, end: mark(3000, 20_000, 19_900) }, 0.02, 16).keptUp, 0);
  assert.equal(ratesBetween({ open, half, end: mark(3000, 20_000, 19_900) }, 0, 16).keptUp, 1);
});
