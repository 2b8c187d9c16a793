import assert from "node:assert/strict";
import test from "node:test";
import { highestCarried } from "./capacity.ts";

/** A shop that carries so many a second, and what it was asked. */
function shop(most: number): { readonly asked: number[]; readonly isCarried: (rate: number) => Promise<boolean> } {
  const asked: number[] = [];
  return { asked, isCarried: (rate) => (asked.push(rate), Promise.resolve(rate <= most)) };
}

test("the highest rate that is carried is found upwards from the first", async () => {
  const { asked, isCarried } = shop(80);
  assert.equal(await highestCarried(isCarried, "saga"), 79);
  assert.deepEqual(asked, [40, 50, 63, 79, 99]);
});

test("where the first is too much, downwards; what carries nothing has no rate", async () => {
  assert.equal(await highestCarried(shop(27).isCarried, "outbox"), 25);
  await assert.rejects(highestCarried(shop(0).isCarried, "outbox"), /outbox does not sell \d+ purchases a second/);
});

test("a machine of any size comes to an end", async () => {
  const { asked, isCarried } = shop(Infinity);
  assert.ok((await highestCarried(isCarried, "naive")) > 4_000);
  assert.ok(asked.length < 30);
});
