import assert from "node:assert/strict";
import test from "node:test";
import type { Unclosed } from "./chunks.ts";
import { Observer } from "./observer.ts";

const at = (fromMs: number, ...chunks: readonly Unclosed[]) => ({ fromMs, untilMs: fromMs, chunks });
const open = (beat: number): Unclosed => ({ id: "c", kind: "open", beat: String(beat), empty: false });
const closing = (id = "c", empty = false): Unclosed => ({ id, kind: "closing", beat: "7", empty });
const silentAt = (observer: Observer, fromMs: number, beat: number): boolean => observer.observe(at(fromMs, open(beat))).silent.length > 0;
const watching = (): Observer => new Observer({ leaseMs: 3_000, graceMs: 1_500 });
const stepsAt = (observer: Observer, fromMs: number, ...chunks: readonly Unclosed[]): string[] =>
  observer.observe(at(fromMs, ...chunks)).questions.map(({ chunk, step }) => `${step} ${chunk.id}`);

test("a beat that stands still for the whole lease is silence; one that moves is not", () => {
  const observer = watching();
  const told = [0, 500, 1_000, 1_500, 2_000, 2_500, 2_999, 3_000].map((ms) => silentAt(observer, ms, 1));
  assert.deepEqual(told, [false, false, false, false, false, false, false, true]);
  assert.equal(silentAt(observer, 3_500, 2), false);
  for (let ms = 4_000; ms < 20_000; ms += 500) assert.equal(silentAt(observer, ms, ms), false);
});

test("time in which nothing could be read proves nothing", () => {
  const observer = watching();
  assert.equal(silentAt(observer, 0, 1), false);
  // A database that was away, or a process that stood still, for a minute each: counts as a second.
  assert.equal(silentAt(observer, 60_000, 1), false);
  assert.equal(silentAt(observer, 120_000, 1), false);
  assert.equal(silentAt(observer, 120_900, 1), false);
  assert.equal(silentAt(observer, 121_000, 1), true);
});

test("what a slow reading took does not count", () => {
  const observer = watching();
  for (let ms = 0; ms <= 8_000; ms += 1_000) {
    assert.deepEqual(observer.observe({ fromMs: ms, untilMs: ms + 900, chunks: [open(1)] }).silent, [], `${ms}`);
  }
});

test("a chunk that was seen for the first time begins its lease here, whatever it was before", () => {
  const observer = watching();
  for (let ms = 0; ms < 5_000; ms += 500) observer.observe(at(ms));
  assert.equal(silentAt(observer, 5_000, 1), false);
});

test("a closing chunk waits, the workers are told, it waits again, and from then on it is settled", () => {
  const observer = watching();
  assert.deepEqual(stepsAt(observer, 0, closing()), []);
  assert.deepEqual(stepsAt(observer, 1_499, closing()), []);
  assert.deepEqual(stepsAt(observer, 1_500, closing()), ["tell c"]);
  observer.asked("c", 1_500);
  assert.deepEqual(stepsAt(observer, 1_999, closing()), []);
  // Nobody has answered.
  assert.deepEqual(stepsAt(observer, 2_000, closing()), ["tell c"]);
  observer.asked("c", 2_000);
  observer.told("c", 2_010);
  assert.deepEqual(stepsAt(observer, 3_509, closing()), []);
  assert.deepEqual(stepsAt(observer, 3_510, closing()), ["settle c"]);
  observer.asked("c", 3_510);
  assert.deepEqual(stepsAt(observer, 4_000, closing()), []);
  assert.deepEqual(stepsAt(observer, 4_010, closing()), ["settle c"]);
});

test("whoever was asked about last is asked about last; an empty chunk asks nothing", () => {
  const observer = watching();
  const all = [closing("a"), closing("b"), closing("c", true), closing("d")];
  assert.deepEqual(stepsAt(observer, 0, ...all), []);
  observer.asked("a", 1_200);
  observer.asked("b", 1_100);
  assert.deepEqual(stepsAt(observer, 2_000, ...all), ["tell d", "tell b", "tell a"]);
});
