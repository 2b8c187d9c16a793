import assert from "node:assert/strict";
import { test } from "node:test";
import { afterTry, type AfterTry, type DeliveryPolicy, type Receipt } from "./message.ts";

const retry = { baseMs: 100, factor: 2, capMs: 1_000, maxAttempts: 3 };
const done: Receipt = { kind: "done" };
const refused: Receipt = { kind: "refused", code: "poison", error: "cannot be read" };
const unknown: Receipt = { kind: "unknown", error: "no answer" };
const again = (state: "waiting" | "late", attempts: number, delayMs: number): AfterTry => ({ kind: "again", state, attempts, delayMs, error: "no answer" });
const givenUp = (state: "parked" | "skipped", attempts: number, error: string): AfterTry => ({ kind: "given-up", state, attempts, error });

const late: DeliveryPolicy = { retry, exhausted: "late", onPark: "hold" };
const park: DeliveryPolicy = { retry, exhausted: "park", onPark: "hold" };
const skip: DeliveryPolicy = { retry, exhausted: "park", onPark: "skip" };

// Policy, tries before this one, what the sink said, what becomes of the message. Chance is 0.5.
const table: readonly (readonly [string, DeliveryPolicy, number, Receipt, AfterTry])[] = [
  ["done is delivered, at the first try", late, 0, done, { kind: "delivered" }],
  ["and at any later one, also when it was late", late, 40, done, { kind: "delivered" }],
  ["an answered no parks at once, however few tries it had", late, 0, refused, givenUp("parked", 1, "poison: cannot be read")],
  ["an answered no parks a late one as well", late, 7, refused, givenUp("parked", 8, "poison: cannot be read")],
  ["where the topic says skip, its key goes on", { ...late, onPark: "skip" }, 0, refused, givenUp("skipped", 1, "poison: cannot be read")],
  ["no answer: it waits, with jitter under the first delay", late, 0, unknown, again("waiting", 1, 50)],
  ["and twice as long after the second", late, 1, unknown, again("waiting", 2, 100)],
  ["when its tries are spent it is late, and tried on", late, 2, unknown, again("late", 3, 200)],
  ["for ever, at the cap", late, 1_000, unknown, again("late", 1_001, 500)],
  ["or it parks, where the policy says so", park, 2, unknown, givenUp("parked", 3, "no answer")],
  ["but not before its tries are spent", park, 1, unknown, again("waiting", 2, 100)],
  ["or is skipped", skip, 2, unknown, givenUp("skipped", 3, "no answer")],
  ["a single try is the last one", { ...park, retry: { ...retry, maxAttempts: 1 } }, 0, unknown, givenUp("parked", 1, "no answer")],
];

for (const [name, policy, attempts, receipt, expected] of table) {
  test(name, () => assert.deepEqual(afterTry(policy, attempts, receipt, 0.5), expected));
}

test("whatever the policy, no answer is never read as no before the tries are spent, and an answer always ends the tries", () => {
  for (const exhausted of ["late", "park"] as const) {
    for (const onPark of ["hold", "skip"] as const) {
      for (let attempts = 0; attempts < 5; attempts += 1) {
        const policy: DeliveryPolicy = { retry, exhausted, onPark };
        assert.equal(afterTry(policy, attempts, done, 0).kind, "delivered");
        assert.equal(afterTry(policy, attempts, refused, 0).kind, "given-up");
        const after = afterTry(policy, attempts, unknown, 0);
        assert.equal(after.kind, exhausted === "park" && attempts + 1 >= retry.maxAttempts ? "given-up" : "again");
      }
    }
  }
});
