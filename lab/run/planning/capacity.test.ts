import assert from "node:assert/strict";
import test from "node:test";
import type { Final, Operation } from "../../history/line.ts";
import { highestLasting, isCarriedIn } from "./capacity.ts";

/** A shop that carries so many a second, and fewer when it has to for long; and what it was asked. */
function shop(most: number, lasting = most): { readonly asked: string[]; readonly isCarried: (rate: number, seconds: number) => Promise<boolean> } {
  const asked: string[] = [];
  return { asked, isCarried: (rate, seconds) => (asked.push(`${rate} for ${seconds}`), Promise.resolve(rate <= (seconds > 5 ? lasting : most))) };
}

test("the highest rate that is carried is found upwards from the first, and has to last", async () => {
  const { asked, isCarried } = shop(80);
  assert.equal(await highestLasting(isCarried, "saga"), 79);
  assert.deepEqual(asked, ["40 for 5", "50 for 5", "63 for 5", "79 for 5", "99 for 5", "79 for 10"]);
});

test("what is carried for a moment only is not counted on", async () => {
  const { asked, isCarried } = shop(130, 60);
  assert.equal(await highestLasting(isCarried, "tcc"), 50);
  assert.deepEqual(asked.slice(-5), ["124 for 10", "99 for 10", "79 for 10", "63 for 10", "50 for 10"]);
});

test("where the first is too much, downwards; what carries nothing has no rate", async () => {
  assert.equal(await highestLasting(shop(27).isCarried, "outbox"), 25);
  await assert.rejects(highestLasting(shop(0).isCarried, "outbox"), /outbox does not sell \d+ purchases a second/);
  await assert.rejects(highestLasting(shop(40, 0).isCarried, "outbox"), /outbox keeps up no rate for 10 seconds/);
});

const operation = (key: string, s: number): Operation => ({ kind: "operation", op: "purchase", key, intent: { phase: 1, buyer: "b", requestId: key, quantity: 1 }, s, a: s, c: s + 5, outcome: "accepted", evidence: "accepted" });
const final = (orderId: string, at: number, state = "paid"): Final => ({ kind: "final", orderId, state, at });

test("carried is what was paid within a second, of what was offered early enough to be", () => {
  const operations = Array.from({ length: 20 }, (_, n) => operation(`o${n}`, n * 100));
  const during = { fromMs: 0, toMs: 3_000 };
  const allBut = (late: number, how: (id: string, s: number) => Final): boolean => isCarriedIn({ operations, finals: operations.map(({ key, s }, n) => (n < late ? how(key, s) : final(key, s + 1_000))) }, during);
  assert.equal(allBut(2, (key, s) => final(key, s + 1_001)), true, "nine tenths are enough");
  assert.equal(allBut(3, (key, s) => final(key, s + 1_001)), false, "queued is not carried");
  assert.equal(allBut(3, (key, s) => final(key, s + 10, "sold-out")), false);
  // When the time ends at 2.5 s, whoever came after 1.5 s may still have been paid in time: they are not asked for.
  assert.equal(isCarriedIn({ operations, finals: operations.slice(0, 15).map(({ key, s }) => final(key, s)) }, { fromMs: 0, toMs: 2_500 }), true);
  assert.equal(isCarriedIn({ operations: [], finals: [] }, during), false);
});
