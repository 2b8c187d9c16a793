import assert from "node:assert/strict";
import test from "node:test";
import { cpuMsOf, parseStat, usedBetween } from "./cpu.ts";

test("a line of /proc is read whatever the program is called", () => {
  const stat = "4711 (a) b (c)) S 12 4711 4711 0 -1 4194560 100 0 0 0 25 17 3 4 20 0 11 0 100";
  assert.deepEqual(parseStat(stat), { parentPid: 12, ownMs: 420, endedChildrenMs: 70 });
});

test("a process that is not there has no figure, rather than none used", () => {
  assert.equal(cpuMsOf(2 ** 30), undefined);
});

test("used is what was added; who has lost a life in between, or was not there before, has no figure", () => {
  assert.deepEqual(usedBetween({ stock: 10, orders: 50, gone: 3 }, { stock: 25, orders: 20, late: 5, blind: undefined }), { stock: 15, orders: undefined, late: undefined, blind: undefined });
});
