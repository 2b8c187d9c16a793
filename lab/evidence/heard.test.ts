import assert from "node:assert/strict";
import test from "node:test";
import type { Line, Operation } from "../history/line.ts";
import type { Item } from "../history/reader.ts";
import { heard } from "./heard.ts";

const phase: Line = { kind: "phase", phase: 1, at: 0, sku: "lamp", ratePerSecond: 1, seconds: 1, seed: 1, buyers: 1, firstBuyer: 0, quantity: 1, repeatShare: 0, returnShare: 0 };
const operation: Operation = { kind: "operation", op: "purchase", key: "o1", intent: { phase: 1, buyer: "b", requestId: "r1", quantity: 2 }, s: 10, a: 11, c: 12, outcome: "accepted", evidence: "accepted" };
const lines = (...all: readonly Line[]): Item[] => all.map((line) => ({ kind: "line", line }));
const whole: Item = { kind: "ending", ending: { kind: "complete", operations: 1 } };

test("each request with its sale, its order where one was named, and its times", async () => {
  const unknown: Operation = { ...operation, key: "request:r2", op: "settle", outcome: "info", evidence: "timeout", intent: { ...operation.intent, requestId: "r2" } };
  const { operations, historyIsWhole } = await heard([...lines(phase, operation, unknown), whole]);
  const told = { sku: "lamp", buyer: "b", quantity: 2, intentMs: 10, completedMs: 12 };
  assert.deepEqual(operations, [
    { ...told, orderId: "o1", requestId: "r1", outcome: "accepted", evidence: "accepted" },
    { ...told, requestId: "r2", outcome: "info", settling: true, evidence: "timeout" },
  ]);
  assert.ok(historyIsWhole);
});

test("what was called final is heard", async () => {
  const { finals } = await heard([...lines(phase, operation, { kind: "final", orderId: "o1", state: "paid", at: 20 }), whole]);
  assert.deepEqual(finals, [{ orderId: "o1", state: "paid", atMs: 20 }]);
});

test("a history that was broken off, has gaps, or just ends is not whole", async () => {
  for (const ending of [{ kind: "broken-off", operations: 1, tornBytes: 3 }, { kind: "gaps", operations: 1, missing: 1 }, { kind: "empty" }] as const) {
    assert.equal((await heard([...lines(phase), { kind: "ending", ending }])).historyIsWhole, false);
  }
  assert.equal((await heard(lines(phase, operation))).historyIsWhole, false);
});
