/** Whatever the order in which messages come, and however often: orders, stock and payment agree in the end. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as byChoreography from "../choreography.ts";
import * as byOutbox from "../outbox.ts";
import type { Mode } from "../mode.ts";
import { assertAgreed } from "./books.fixture.ts";
import { openByHand, type ByHand, type Carried } from "./post.fixture.ts";
import { runShuffled, UNITS } from "./shuffled.fixture.ts";

const SEEDS = 5;

const cases: readonly { readonly mode: Mode; readonly hears: Parameters<typeof openByHand>[1]; readonly carried: Carried; readonly needsAnswers: boolean }[] = [
  { mode: byOutbox.outbox, hears: { orders: byOutbox.ordersHear, stock: byOutbox.stockHears, payment: byOutbox.paymentHears }, carried: "per-key", needsAnswers: false },
  { mode: byOutbox.outbox, hears: { orders: byOutbox.ordersHear, stock: byOutbox.stockHears, payment: byOutbox.paymentHears }, carried: "none", needsAnswers: true },
  { mode: byChoreography.choreography, hears: { orders: byChoreography.ordersHear, stock: byChoreography.stockHears, payment: byChoreography.paymentHears }, carried: "none", needsAnswers: false },
];

for (const { mode, hears, carried, needsAnswers } of cases) {
  describe(`${mode.name}, order kept: ${carried}`, () => {
    let shop: ByHand;
    before(async () => void (shop = await openByHand(mode, hears)));
    after(() => shop.close());

    test(`${SEEDS} shuffles`, async (t) => {
      const ended = new Map<string, number>();
      const failed: string[] = [];
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const sku = `seed-${seed}`;
        const failures = await runShuffled(shop, { seed, carried, sku, needsAnswers });
        failed.push(...failures.map(({ letter, error }) => `${letter.event.topic} ${letter.event.payload}: ${String(error)}`));
        for (const [state, count] of await assertAgreed(shop, sku, UNITS)) ended.set(state, (ended.get(state) ?? 0) + count);
      }
      t.diagnostic(`${JSON.stringify(Object.fromEntries(ended))}, ${failed.length} deliveries came again`);
      // Else the shuffles prove less than they seem to.
      for (const state of ["paid", "refunded", "sold-out", "declined", "cancelled", "expired"]) assert.ok(ended.has(state), `no order was ${state}`);
      // In order nothing fails. Out of order a refund may come before the sale, and waits for it.
      const expected = carried === "per-key" ? /^$/ : /given-back.* cannot be restocked: held/;
      assert.deepEqual(failed.filter((line) => !expected.test(line)), []);
    });
  });
}
