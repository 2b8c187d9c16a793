import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope, Receipt, Sink, SinkFeatures } from "tripact/relay";
import { eitherOf } from "./either-of.ts";

const done: Receipt = { kind: "done" };
const refused: Receipt = { kind: "refused", code: "poison", error: "never" };
const unknown: Receipt = { kind: "unknown", error: "no answer" };

const messageOf = (key: string): Envelope => ({ id: key, source: "orders", topic: "to-orders", key, payload: "{}", headers: {}, recordedAtMs: 0, attempt: 1 });
const abc = ["a", "b", "c"].map(messageOf);

interface Stand extends Sink {
  readonly asked: string[][];
  closed: number;
}

function stand(answer: (key: string) => Receipt, features: Partial<SinkFeatures> = {}): Stand {
  const asked: string[][] = [];
  return {
    features: { name: "stand", persistent: true, ordered: true, deduplicates: true, batchMax: 10, ...features },
    asked,
    closed: 0,
    async deliver(messages) {
      asked.push(messages.map(({ key }) => key));
      return messages.map(({ key }) => answer(key));
    },
    async close() {
      this.closed += 1;
    },
  };
}

const forever = new AbortController().signal;

test("what one leaves open the other is asked for, and only that; every receipt in its place", async () => {
  const down = stand((key) => (key === "b" ? done : unknown));
  const up = stand((key) => (key === "c" ? refused : done));
  // The turn begins with the second one.
  const sink = eitherOf([up, down]);
  assert.deepEqual(await sink.deliver(abc, forever), [done, done, refused]);
  assert.deepEqual([down.asked, up.asked], [[["a", "b", "c"]], [["a", "c"]]]);
});

test("a refusal is an answer, and stands", async () => {
  const no = stand(() => refused);
  const other = stand(() => done);
  assert.deepEqual(await eitherOf([other, no]).deliver(abc, forever), [refused, refused, refused]);
  assert.deepEqual(other.asked, []);
});

test("nobody answers: unknown, as the last one said it", async () => {
  const receipts = await eitherOf([stand(() => ({ kind: "unknown", error: "second" })), stand(() => unknown)]).deliver(abc, forever);
  assert.deepEqual(receipts, abc.map(() => ({ kind: "unknown", error: "second" })));
});

test("they take turns; one that did not answer rests for a while", async () => {
  let nowMs = 0;
  let works = true;
  const [first, second] = [stand(() => (works ? done : unknown)), stand(() => done)];
  const sink = eitherOf([first, second], () => nowMs);
  const calls = async (): Promise<readonly number[]> => {
    const before = [first.asked.length, second.asked.length];
    for (let n = 0; n < 4; n += 1) await sink.deliver(abc, forever);
    return [first.asked.length - (before[0] ?? 0), second.asked.length - (before[1] ?? 0)];
  };
  assert.deepEqual(await calls(), [2, 2]);
  works = false;
  assert.deepEqual(await calls(), [1, 4]);
  works = true;
  assert.deepEqual(await calls(), [0, 4]);
  nowMs = 1_001;
  assert.deepEqual(await calls(), [2, 2]);
});

test("one that did not answer is tried by one delivery at a time, which soon goes on to the next one", async () => {
  let nowMs = 0;
  const open: AbortSignal[] = [];
  const gone: Sink = {
    ...stand(() => unknown),
    deliver: (messages, signal) => {
      open.push(signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(messages.map(() => unknown))));
    },
  };
  const alive = stand(() => done);
  const sink = eitherOf([alive, gone], () => nowMs);
  const givingUp = new AbortController();
  const first = sink.deliver(abc, givingUp.signal);
  givingUp.abort();
  await first;
  nowMs = 1_001;
  const receipts = await Promise.all([1, 2, 3, 4].map(() => sink.deliver(abc, forever)));
  assert.deepEqual(receipts.flat(), Array.from({ length: 12 }, () => done));
  assert.equal(open.length, 2);
});

test("when nobody waits any more, nobody else is asked", async () => {
  const waiting = new AbortController();
  const slow = stand(() => {
    waiting.abort();
    return unknown;
  });
  const other = stand(() => done);
  assert.deepEqual(await eitherOf([other, slow]).deliver(abc, waiting.signal), [unknown, unknown, unknown]);
  assert.deepEqual(other.asked, []);
});

test("promises only what holds whichever of them takes a message", async () => {
  const [one, two] = [stand(() => done, { name: "one", batchMax: 3 }), stand(() => done, { name: "two", persistent: false })];
  assert.deepEqual(eitherOf([one, two]).features, { name: "either of one, two", persistent: false, ordered: false, deduplicates: false, batchMax: 3 });
  assert.deepEqual(eitherOf([one]).features, { name: "either of one", persistent: true, ordered: true, deduplicates: true, batchMax: 3 });
  assert.throws(() => eitherOf([]), RangeError);
});

test("closes all of them", async () => {
  const all = [stand(() => done), stand(() => done)];
  await eitherOf(all).close();
  assert.deepEqual(all.map(({ closed }) => closed), [1, 1]);
});
