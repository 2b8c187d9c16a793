import assert from "node:assert/strict";
import test, { mock } from "node:test";
import { showProgress, withTimeLeft } from "./progress.ts";

function scene(isTTY: boolean) {
  mock.timers.enable({ apis: ["setInterval", "Date"] });
  let written = "";
  const screen = { isTTY, columns: 24, write: (text: string) => (written += text) };
  const progress = showProgress(screen, () => Date.now());
  const taken = (): string => {
    const text = written;
    written = "";
    return text;
  };
  return { progress, taken, tick: (ms: number) => mock.timers.tick(ms), end: () => mock.timers.reset() };
}

test("on a terminal one line is rewritten, never wrapped, and gone at the end", () => {
  const { progress, taken, tick, end } = scene(true);
  progress.now("saga: selling");
  assert.equal(taken(), "\r\u001B[K  0 s  saga: selling (0");
  tick(250);
  assert.equal(taken(), "\r\u001B[K  0 s  saga: selling (0");
  progress.say("a row");
  assert.equal(taken(), "\r\u001B[Ka row\n");
  progress.stop();
  progress.stop();
  taken();
  tick(5_000);
  assert.equal(taken(), "");
  end();
});

test("elsewhere a line comes every two seconds, with what goes on and since when", () => {
  const { progress, taken, tick, end } = scene(false);
  progress.now("saga: selling");
  tick(1_999);
  assert.equal(taken(), "");
  tick(1);
  assert.equal(taken(), "  2 s  saga: selling (2 s)\n");
  progress.now("saga: waiting for quiet");
  progress.detail("3 orders open");
  tick(2_000);
  assert.equal(taken(), "  4 s  saga: waiting for quiet (2 s): 3 orders open\n");
  progress.now("saga: judging");
  tick(2_000);
  assert.equal(taken(), "  6 s  saga: judging (2 s)\n");
  progress.stop();
  end();
});

test("how long it still takes stands behind all that goes on", () => {
  const { progress, taken, tick, end } = scene(false);
  let left = "about 9 s left";
  const both = withTimeLeft(progress, () => left);
  both.now("saga: selling");
  tick(2_000);
  assert.equal(taken(), "  2 s  saga: selling (2 s): about 9 s left\n");
  both.detail("3 paid");
  left = "about 7 s left";
  tick(2_000);
  assert.equal(taken(), "  4 s  saga: selling (4 s): 3 paid; about 7 s left\n");
  both.stop();
  end();
});
