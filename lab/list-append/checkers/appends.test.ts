import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { historyOf } from "../edn.ts";
import type { Op } from "../history.ts";
import { judgeAppends, malformed, type AppendsEvidence } from "./appends.ts";

/** One a line: type, process, micro-operations. Index and time are the line's number. */
function history(text: string): readonly Op[] {
  const lines = text.trim().split("\n").map((line) => /^\s*(\w+) (\d+) (.*)$/.exec(line) ?? assert.fail(line));
  return historyOf(lines.map(([, type, process, value], index) => `{:index ${index} :type :${type} :process ${process} :f :txn :value [${value}] :time ${index}}`).join("\n"));
}

const lists = (of: Readonly<Record<number, readonly number[]>>): AppendsEvidence["lists"] => new Map(Object.entries(of).map(([key, list]) => [Number(key), list]));

const RIGHT = `
  invoke 0 [:append 1 1] [:append 2 1]
  invoke 1 [:r 1 nil] [:append 1 2]
  ok 1 [:r 1 [1]] [:append 1 2]
  ok 0 [:append 1 1] [:append 2 1]
  invoke 2 [:append 1 3]
  fail 2 [:append 1 3]
  invoke 3 [:append 1 4] [:append 2 4]
  info 3 [:append 1 4] [:append 2 4]
  invoke 0 [:r 1 nil] [:r 2 nil] [:r 7 nil]
  ok 0 [:r 1 [1 2 4]] [:r 2 [1 4]] [:r 7 nil]`;
const LAST = { 1: [1, 2, 4], 2: [1, 4] };

const judged = (text: string, last: Readonly<Record<number, readonly number[]>>, more: Partial<AppendsEvidence> = {}) =>
  judgeAppends({ history: history(text), lists: lists(last), aside: [], mode: "tcc", atRest: true, ...more });

/** What is wrong with the right history, once something in it or in its lists is another. In `saga`, too, where nothing else is said. */
const WRONG: readonly (readonly [name: string, text: string, last: Readonly<Record<number, readonly number[]>>, tcc: readonly string[], saga?: readonly string[]])[] = [
  ["an append that is not there any more", RIGHT, { 1: [1, 4], 2: [1, 4] }, ["lost"]],
  ["a list that is not there any more", RIGHT, { 1: [1, 2, 4] }, ["dirty", "lost", "torn"], ["lost", "torn"]],
  ["an element twice", RIGHT, { 1: [1, 2, 4, 2], 2: [1, 4] }, ["duplicated"]],
  ["an element read twice", RIGHT.replace("[:r 1 [1 2 4]]", "[:r 1 [1 2 2 4]]"), LAST, ["duplicated"]],
  ["an element that nobody has appended", RIGHT, { 1: [1, 2, 4], 2: [1, 4, 9] }, ["phantom"]],
  ["an element that nobody has appended, read", RIGHT.replace("[:r 2 [1 4]]", "[:r 2 [1 4 9]]"), LAST, ["phantom"]],
  ["an element under another key", RIGHT, { 1: [1, 2, 4], 2: [1, 4], 7: [1] }, ["phantom"]],
  ["an append that has failed", RIGHT, { 1: [1, 2, 4, 3], 2: [1, 4] }, ["phantom"]],
  ["half of what nobody knows", RIGHT.replace("[:r 2 [1 4]]", "[:r 2 [1]]"), { 1: [1, 2, 4], 2: [1] }, ["torn"]],
  ["half of what has not ended", RIGHT.replace(/\n.*info 3.*\n/, "\n").replace("[:r 2 [1 4]]", "[:r 2 [1]]"), { 1: [1, 2, 4], 2: [1] }, ["torn"]],
  ["another order", RIGHT, { 1: [2, 1, 4], 2: [1, 4] }, ["out-of-order"]],
  ["a read with a hole", RIGHT.replace("[:r 1 [1 2 4]]", "[:r 1 [1 4]]"), LAST, ["out-of-order", "stale"]],
  ["a read that is too short", RIGHT.replace("[:r 1 [1 2 4]]", "[:r 1 [1]]"), LAST, ["stale"]],
  ["a read of what has failed", RIGHT.replace("[:r 1 [1 2 4]]", "[:r 1 [1 2 3 4]]"), LAST, ["dirty"], []],
];

const kinds = (verdict: ReturnType<typeof judged>): readonly string[] => (verdict.verdict === "invalid" ? Object.keys(verdict.counts.kinds).toSorted() : [verdict.verdict].filter((word) => word !== "valid"));

describe("the judge of appends", () => {
  it("finds nothing where everything went right, in either mode", () => {
    for (const mode of ["saga", "tcc"] as const) {
      const verdict = judged(RIGHT, LAST, { mode });
      assert.equal(verdict.verdict, "valid");
      assert.deepEqual(verdict.counts.noted, { unknownAndThere: 1 });
    }
    const without = judged(RIGHT.replace("[:r 1 [1 2 4]] [:r 2 [1 4]]", "[:r 1 [1 2]] [:r 2 [1]]"), { 1: [1, 2], 2: [1] });
    assert.deepEqual([without.verdict, without.counts.noted], ["valid", { unknownAndNotThere: 1 }]);
  });

  for (const [name, text, last, tcc, saga = tcc] of WRONG) {
    it(`says what is wrong: ${name}`, () => {
      assert.equal(malformed(history(text)), undefined);
      assert.deepEqual(kinds(judged(text, last)), tcc.toSorted());
      assert.deepEqual(kinds(judged(text, last, { mode: "saga" })), saga.toSorted());
    });
  }

  it("notes reads of what was undone, where they are allowed", () => {
    assert.deepEqual(judged(RIGHT.replace("[:r 1 [1 2 4]]", "[:r 1 [1 2 3 4]]"), LAST, { mode: "saga" }).counts.noted, { unknownAndThere: 1, dirtyReads: 1 });
  });

  it("does not call a read stale that began before the append had ended", () => {
    const text = `
      invoke 0 [:append 1 1]
      invoke 1 [:r 1 nil]
      ok 0 [:append 1 1]
      ok 1 [:r 1 nil]`;
    assert.equal(judged(text, { 1: [1] }).verdict, "valid");
  });

  it("counts what is still set aside", () => assert.deepEqual(kinds(judged(RIGHT, LAST, { aside: [{ key: 1, element: 3 }] })), ["hanging"]));

  it("knows nothing where nothing was read, asked or answered, or it never came to rest", () => {
    assert.deepEqual(kinds(judged(RIGHT, LAST, { lists: null })), ["unknown"]);
    assert.deepEqual(kinds(judged(RIGHT, LAST, { history: [] })), ["unknown"]);
    assert.deepEqual(kinds(judged("invoke 0 [:append 1 1]\nfail 0 [:append 1 1]", {})), ["unknown"]);
    assert.deepEqual(kinds(judged(RIGHT, LAST, { atRest: false })), ["unknown"]);
    assert.deepEqual(kinds(judged(RIGHT, { 1: [1, 4], 2: [1, 4] }, { atRest: false })), ["lost"]);
  });
});

describe("a history that nobody can judge", () => {
  const say = (text: string): string => malformed(history(text)) ?? "nothing";
  it("is said to be one", () => {
    assert.equal(say(RIGHT), "nothing");
    assert.match(say(`${RIGHT}\n  invoke 3 [:r 1 nil]`), /heard of again/);
    assert.match(say("invoke 0 [:r 1 nil]\ninvoke 0 [:r 1 nil]"), /one open already/);
    assert.match(say("ok 0 [:r 1 nil]"), /has not begun/);
    assert.match(say("invoke 0 [:append 1 1]\ninvoke 1 [:append 1 1]"), /a second time/);
    assert.match(say("invoke 0 [:append 1 1]\nok 0 [:append 1 2]"), /something else/);
    assert.match(say("invoke 0 [:append 1 1]\nok 0 [:append 1 1] [:r 1 nil]"), /something else/);
    assert.match(say("invoke 0 [:r 1 [1]]"), /knows what it will read/);
    const [first, second] = history("invoke 0 [:r 1 nil]\nok 0 [:r 1 nil]");
    assert.match(malformed([{ ...(first ?? assert.fail()), timeNs: 5 }, second ?? assert.fail()]) ?? "", /before the one before it/);
  });
});
