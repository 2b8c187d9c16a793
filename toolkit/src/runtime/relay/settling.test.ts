import assert from "node:assert/strict";
import { test } from "node:test";
import type { OutboxLog, Settlement } from "../../stores/outbox-log.ts";
import { systemClock } from "../clock.ts";
import { RELAY_DEFAULTS } from "./options.ts";
import type { Settled } from "./pipeline.ts";
import { Settling } from "./settling.ts";

const lanes = [{ lane: 0, epoch: 1 }];

function settling() {
  const written: Settlement[] = [];
  let nowMs = 0;
  const messages = {
    settle: async (settlement: Settlement) => {
      written.push(settlement);
      return settlement.lanes.map(({ lane }) => lane);
    },
  };
  let saved: () => void = () => undefined;
  const made = new Settling({
    subscription: "s",
    log: { messages } as unknown as OutboxLog,
    owner: () => "owner",
    clock: { ...systemClock, nowMs: () => nowMs },
    tuning: { ...RELAY_DEFAULTS, saveEveryMs: 500, idleSaveMs: 5_000 },
    onCommitted: () => undefined,
    onFenced: () => undefined,
    onTrouble: () => undefined,
    onWritten: () => saved(),
  });
  const pass = (settled: Omit<Settled, "lanes" | "copies">): void => made.collect([{ ...settled, lanes, copies: [] }]);
  const next = (): Promise<void> => new Promise((resolve) => void (saved = resolve));
  return { made, written, pass, next, at: (ms: number) => void (nowMs = ms) };
}

test("the last deliveries before silence are saved as soon as those before them, and a cursor that merely went on every now and then", async () => {
  const { made, written, pass, next, at } = settling();
  pass({ cursor: "1", messages: 1 });
  const first = next();
  made.write("usual");
  await first;
  // A delivery while the last write was fresh, and a read after it that found nothing.
  pass({ cursor: "2", messages: 1 });
  pass({ cursor: "3", messages: 0 });
  at(499);
  made.write("idle");
  assert.equal(written.length, 1, "not twice in half a second");
  at(500);
  const second = next();
  made.write("idle");
  await second;
  assert.deepEqual(written.map(({ cursor }) => cursor), ["1", "3"]);

  pass({ cursor: "4", messages: 0 });
  at(5_499);
  made.write("idle");
  assert.equal(written.length, 2, "nothing went by");
  at(5_500);
  const third = next();
  made.write("idle");
  await third;
  assert.deepEqual(written.map(({ cursor }) => cursor), ["1", "3", "4"]);
  assert.equal(made.pending, false);
});
