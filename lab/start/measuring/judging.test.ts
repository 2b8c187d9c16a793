import assert from "node:assert/strict";
import test from "node:test";
import type { Verdict } from "../../checkers/checker.ts";
import { harmIn } from "./judging.ts";

const nothing = { violations: 0, units: 0, cents: 0, checked: 1, kinds: {}, noted: {}, oldestAtMs: null };
const finding = { kind: "torn", key: "o1", detail: "paid, but its units are released", units: 1, cents: 5 };

test("a judge that objects is heard by name, whether his figure is in the table or not", () => {
  const verdicts: readonly Verdict[] = [
    { checker: "lost", verdict: "invalid", counts: { ...nothing, violations: 2 }, first: finding, worst: finding, examples: [finding] },
    { checker: "torn", verdict: "invalid", counts: { ...nothing, violations: 1 }, first: finding, worst: finding, examples: [finding] },
    { checker: "no-oversell", verdict: "valid", counts: nothing },
    { checker: "nothing-stuck", verdict: "unknown", counts: nothing, why: "not read: orders" },
  ];
  assert.deepEqual(harmIn(verdicts), {
    oversold: 0,
    lost: 2,
    duplicated: null,
    stuck: null,
    objections: [
      "lost: 2 times; the first: torn o1, paid, but its units are released",
      "torn: 1 times; the first: torn o1, paid, but its units are released",
      "nothing-stuck: could not judge, not read: orders",
    ],
  });
});
