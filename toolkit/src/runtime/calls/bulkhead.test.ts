import assert from "node:assert/strict";
import { test } from "node:test";
import { handClock } from "../../../test/memory/hand-clock.ts";
import { tune } from "../options.ts";
import { Bulkhead } from "./bulkhead.ts";

test("whoever is down is asked after pauses of a quarter of its absence, so that a short outage is not made a long one", async () => {
  const { clock, goTo } = handClock();
  const bulkhead = new Bulkhead(clock, tune({ breakerAfter: 3, participantLimit: 1 }), () => undefined);
  // By somebody who asks again as soon as he hears that nobody knows.
  const asked: number[] = [];
  const ask = (): void => {
    asked.push(clock.nowMs());
    clock.after(0, () => {
      bulkhead.leave("p", "unknown");
      bulkhead.enter("p", ask);
    });
  };
  bulkhead.enter("p", ask);
  await goTo(60_000);
  assert.deepEqual(asked.slice(0, 3), [0, 0, 0], "the breaker opens");
  for (const [index, atMs] of asked.entries()) {
    const beforeMs = asked[index - 1] ?? 0;
    assert.ok(atMs - beforeMs <= Math.max(50, beforeMs * 0.25) + 1e-6, `asked at ${atMs} ms, and before that at ${beforeMs}`);
  }
  assert.ok(asked.filter((atMs) => atMs > 10_000).length <= 50, "and once a second when it is away for long");
});
