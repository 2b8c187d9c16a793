import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

/** A question a tenth of a second, to two of whom the second answers and the first does as it is told. */
function asking() {
  let nowMs = 0;
  const turns = new Turns(2, () => nowMs);
  return (untilMs: number, answers: boolean): readonly number[] => {
    const triedAtMs: number[] = [];
    for (; nowMs < untilMs; nowMs += 100) {
      for (const { index, answered, silent } of turns.of(2_000)) {
        if (index === 0) triedAtMs.push(nowMs);
        if (index === 0 && !answers) {
          silent();
          continue;
        }
        answered();
        break;
      }
    }
    return triedAtMs;
  };
}

test("one that stays silent is tried ever more rarely, and one that answers has its turns again", () => {
  const ask = asking();
  const tried = ask(40_000, false);
  const gapsMs = tried.map((atMs, n) => atMs - (tried[n - 1] ?? atMs));
  // Every other question is its turn, so a try comes up to one question late.
  assert.deepEqual(gapsMs.slice(1).map((ms) => Math.floor(ms / 1_000)), [1, 2, 4, 8, 8, 8, 8], tried.join(", "));
  assert.ok(ask(60_000, true).length >= 50);
  const again = ask(62_000, false);
  assert.ok((again[1] ?? Infinity) - (again[0] ?? 0) < 1_500, "what was before is forgotten");
});

test("of several questions at once only one tries it, as if it were known already that nobody answers", () => {
  let nowMs = 0;
  const turns = new Turns(2, () => nowMs);
  for (const { index, answered, silent } of [...turns.of(2_000)]) (index === 0 ? silent : answered)();
  nowMs = 1_500;
  const firsts = Array.from({ length: 6 }, () => turns.of(2_000).next().value);
  assert.deepEqual(firsts.map((turn) => turn?.index).filter((index) => index === 0), [0]);
  assert.deepEqual(firsts.find((turn) => turn?.index === 0)?.timeoutMs, 500);
});
