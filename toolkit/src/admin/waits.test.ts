import assert from "node:assert/strict";
import { test } from "node:test";
import { Waits } from "./waits.ts";

const LONG_MS = 60_000;
const never = new AbortController().signal;

test("the same wait is shared, and done once", async () => {
  const waits = new Waits(1);
  const { promise, resolve } = Promise.withResolvers<string>();
  let begun = 0;
  const work = (): Promise<string> => {
    begun += 1;
    return promise;
  };
  const both = [waits.within("a", LONG_MS, never, work), waits.within("a", LONG_MS, never, work)];
  resolve("ended");
  assert.deepEqual(await Promise.all(both), ["ended", "ended"]);
  assert.equal(begun, 1);
});

test("a wait that was given up still counts, until it is over", async () => {
  const waits = new Waits(1);
  const { promise, resolve } = Promise.withResolvers<string>();
  assert.equal(await waits.within("a", 1, never, () => promise), undefined);
  await assert.rejects(waits.within("b", LONG_MS, never, () => promise), { code: "overloaded" });
  resolve("ended");
  assert.equal(await waits.within("a", LONG_MS, never, () => promise), "ended");
  assert.equal(await waits.within("b", LONG_MS, never, () => promise), "ended");
});

test("whoever stops waiting is answered at once, before or meanwhile", async () => {
  const waits = new Waits(9);
  const stop = new AbortController();
  const meanwhile = waits.within("a", LONG_MS, stop.signal, () => new Promise(() => undefined));
  stop.abort();
  assert.equal(await meanwhile, undefined);
  assert.equal(await waits.within("a", LONG_MS, stop.signal, () => new Promise(() => undefined)), undefined);
});

test("work that fails when nobody waits any more disturbs nobody", async () => {
  const waits = new Waits(1);
  const { promise, reject } = Promise.withResolvers<string>();
  assert.equal(await waits.within("a", 1, never, () => promise), undefined);
  reject(new Error("too late"));
  await assert.rejects(promise);
  assert.equal(await waits.within("b", LONG_MS, never, () => Promise.resolve("next")), "next");
});
