import assert from "node:assert/strict";
import { it } from "node:test";
import { Slots } from "./slots.ts";

const never = new AbortController().signal;

it("slots are handed on in the order of the line", async () => {
  const slots = new Slots(1);
  assert.equal(await slots.take(never), true);
  const entered: number[] = [];
  const line = [1, 2, 3].map((n) => slots.take(never).then(() => entered.push(n)));
  for (const turn of line) {
    slots.give();
    await turn;
  }
  assert.deepEqual(entered, [1, 2, 3]);
});

it("a slot that was given up before it was taken goes to the next", async () => {
  const slots = new Slots(1);
  const [first, second] = [new AbortController(), new AbortController()];
  await slots.take(never);
  const [a, b, c] = [slots.take(first.signal), slots.take(second.signal), slots.take(never)];
  second.abort();
  assert.equal(await b, false, "left the line");
  slots.give();
  first.abort();
  assert.deepEqual([await a, await c], [false, true], "was called in, and left");
  assert.equal(await slots.take(AbortSignal.abort()), false);
});
