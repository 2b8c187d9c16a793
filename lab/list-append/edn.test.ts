import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ednFile, ednOf, historyOf } from "./edn.ts";
import type { Op } from "./history.ts";

const HISTORY: readonly Op[] = [
  { index: 0, type: "invoke", process: 0, value: [["append", 3, 1], ["r", 4, null]], timeNs: 0 },
  { index: 1, type: "invoke", process: 1, value: [["r", 3, null]], timeNs: 17 },
  { index: 2, type: "ok", process: 0, value: [["append", 3, 1], ["r", 4, []]], timeNs: 2_000_000_000_001 },
  { index: 3, type: "info", process: 1, value: [["r", 3, null]], timeNs: 2_000_000_000_002, error: 'TimeoutError: "8 s" \u00e9\\' },
  { index: 4, type: "invoke", process: 11, value: [["r", 3, null]], timeNs: 2_000_000_000_003 },
  { index: 5, type: "ok", process: 11, value: [["r", 3, [1, 2]]], timeNs: 2_000_000_000_004 },
];

describe("a history as EDN", () => {
  it("has one operation a line, as Jepsen's have", () => {
    assert.equal(ednOf(HISTORY[2] ?? assert.fail()), "{:index 2, :type :ok, :process 0, :f :txn, :value [[:append 3 1] [:r 4 []]], :time 2000000000001}");
    assert.equal(ednOf(HISTORY[0] ?? assert.fail()), "{:index 0, :type :invoke, :process 0, :f :txn, :value [[:append 3 1] [:r 4 nil]], :time 0}");
    assert.match(ednOf(HISTORY[3] ?? assert.fail()), /, :error "TimeoutError: \\"8 s\\"  \\\\"\}$/);
  });

  it("is read back as it was, under a header that is a comment", () => {
    const text = ednFile(HISTORY, ["by saga\n{:not an operation}"]);
    assert.match(text, /^; by saga \{:not an operation\}\n\{:index 0, /);
    assert.deepEqual(historyOf(text), HISTORY.map((op) => (op.error === undefined ? op : { ...op, error: 'TimeoutError: "8 s"  \\' })));
  });

  it("is read from one vector as well, with any space between", () => {
    assert.deepEqual(historyOf(`[${HISTORY.slice(0, 2).map(ednOf).join(",\n\n ")}]`), HISTORY.slice(0, 2));
    assert.deepEqual(historyOf("; nothing\n"), []);
  });

  for (const [name, text, says] of [
    ["no EDN", "{:index 0 \u0001}", /line 1: .*not understood/],
    ["a fraction", "{:index 0.5}", /not understood/],
    ["a map without its end", "\n\n{:index 0", /line 3: it ends before its \}/],
    ["a closing bracket too many", "]", /where no such thing/],
    ["a key twice", "{:index 0 :index 0}", /:index twice/],
    ["half a pair", "{:index}", /keywords and values/],
    ["no map", "[3]", /a map is needed/],
    ["an unknown type", "{:index 0 :type :done :process 0 :f :txn :value [[:r 1 nil]] :time 0}", /:type is one of/],
    ["a nemesis", "{:index 0 :type :info :process :nemesis :f :txn :value [[:r 1 nil]] :time 0}", /:process is a whole number/],
    ["another function", "{:index 0 :type :ok :process 0 :f :read :value [[:r 1 nil]] :time 0}", /:f is :txn/],
    ["an empty transaction", "{:index 0 :type :ok :process 0 :f :txn :value [] :time 0}", /:value is a vector/],
    ["a write", "{:index 0 :type :ok :process 0 :f :txn :value [[:w 1 2]] :time 0}", /\[:append key element\]/],
    ["an append of nothing", "{:index 0 :type :ok :process 0 :f :txn :value [[:append 1 nil]] :time 0}", /\[:append key element\]/],
    ["a gap in the indices", "{:index 1 :type :ok :process 0 :f :txn :value [[:r 1 nil]] :time 0}", /:index is 1/],
    ["brackets without end", "[".repeat(20), /too deep/],
  ] as const) {
    it(`is refused where it is ${name}`, () => assert.throws(() => historyOf(text), { code: "not-a-history", message: says }));
  }
});
