import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../clock.ts";
import { Looks, LOOKS_MS } from "./looks.ts";

function still(): { readonly clock: Clock; run(untilMs: number): void; readonly timers: () => number; nowMs: () => number } {
  let now = 0;
  let timers: { at: number; run: () => void }[] = [];
  const clock = {
    nowMs: () => now,
    after: (ms: number, run: () => void) => {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
  } as unknown as Clock;
  return {
    clock,
    timers: () => timers.length,
    nowMs: () => now,
    run(untilMs) {
      for (;;) {
        const next = timers.filter(({ at }) => at <= untilMs).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((other) => other !== next);
        now = next.at;
        next.run();
      }
      now = untilMs;
    },
  };
}

test("one announcement is looked for three times within 400 ms, then no more", () => {
  const time = still();
  const looked: number[] = [];
  new Looks(time.clock, () => looked.push(time.nowMs())).expect();
  time.run(10_000);
  assert.deepEqual(looked, [...LOOKS_MS]);
});

test("however many are announced, three timers are set; and nobody's looks end before his own 400 ms", () => {
  const time = still();
  const looked: number[] = [];
  const looks = new Looks(time.clock, () => looked.push(time.nowMs()));
  for (let at = 0; at <= 100; at += 1) {
    time.run(at);
    looks.expect();
    assert.ok(time.timers() <= LOOKS_MS.length);
  }
  time.run(10_000);
  // The last one came at 100; whoever commits just before its last look is found.
  assert.ok(looked.some((at) => at >= 500));
  assert.ok(looked.length < 15, `${looked.length} looks for 101 announcements`);
});

test("a node that stops looks no more", () => {
  const time = still();
  let looked = 0;
  const looks = new Looks(time.clock, () => (looked += 1));
  looks.expect();
  looks.stop();
  looks.expect();
  assert.equal(time.timers(), 0);
  time.run(10_000);
  assert.equal(looked, 0);
});
