import assert from "node:assert/strict";
import test from "node:test";
import type { Measurement } from "./measurement.ts";
import { figureOver, ratioOver, rotated } from "./rounds.ts";
import type { Rounds } from "./rounds.ts";

const measured = (name: string, perSecond: number): Measurement => ({ name, inFlight: 50, perSecond, p50Ms: 1, p99Ms: 2, idleP50Ms: 1 });
const rate = (name: string) => ({ name, inFlight: 50, of: "perSecond" }) as const;

test("every contestant gets every place in the order", () => {
  assert.deepEqual([0, 1, 2, 3].map((round) => rotated(["a", "b", "c"], round).join("")), ["abc", "bca", "cab", "abc"]);
  assert.deepEqual(rotated([], 3), []);
});

test("a ratio is taken within each round, so a machine that slows down does not bend it", () => {
  const slowingDown: Rounds = {
    byRound: [
      [measured("ours", 9000), measured("theirs", 300)],
      [measured("ours", 3000), measured("theirs", 100)],
      [measured("ours", 900), measured("theirs", 30)],
    ],
    reasons: new Map(),
  };
  assert.deepEqual(ratioOver(slowingDown, rate("ours"), rate("theirs")), { median: 30, min: 30, max: 30 });
  assert.deepEqual(figureOver(slowingDown, rate("ours")), { median: 3000, min: 900, max: 9000 });
});

test("a peer that could not be had has no figure and no ratio, not zero", () => {
  const alone: Rounds = { byRound: [[measured("ours", 9000)]], reasons: new Map() };
  assert.equal(figureOver(alone, rate("theirs")), null);
  assert.equal(ratioOver(alone, rate("ours"), rate("theirs")), null);
});

test("a round in which one of the two failed does not count", () => {
  const once: Rounds = { byRound: [[measured("ours", 5)], [measured("ours", 8), measured("theirs", 2)]], reasons: new Map() };
  assert.deepEqual(ratioOver(once, rate("ours"), rate("theirs")), { median: 4, min: 4, max: 4 });
});
