/** Events that nobody can follow are refused, and leave nothing behind; and the one order of events that tripact's barrier alone does not cover. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Refused } from "tripact";
import type { Envelope } from "tripact/events";
import * as byChoreography from "../choreography.ts";
import * as byOutbox from "../outbox.ts";
import { openByHand, OUTBOXES } from "./post.fixture.ts";

const order = { sku: "lamp", quantity: 1, chunk: null, buyer: "ada", cents: 500 };
let ids = 0;
const eventOf = (topic: string, payload: unknown, key = "order-1"): Envelope => ({
  id: `00000000-0000-7000-8000-${String((ids += 1)).padStart(12, "0")}`,
  source: "somewhere",
  topic,
  key,
  payload: typeof payload === "string" ? payload : JSON.stringify(payload),
  headers: {},
  recordedAtMs: Date.now(),
  attempt: 1,
});
const refusedAs = (code: string) => (error: unknown) => error instanceof Refused && error.code === code;

const nonsense: readonly unknown[] = [
  "{", "null", 7, [], {},
  { kind: "order.eaten" }, { kind: 1 }, { kind: "order.placed" },
  { kind: "order.placed", reservation: { sku: "lamp", quantity: 0, chunk: null } },
  { kind: "order.placed", reservation: { sku: "lamp", quantity: 1.5, chunk: null } },
  { kind: "payment.requested", bill: { buyer: "ada", cents: -1 } },
];

for (const [name, { hears, mode }] of Object.entries({
  outbox: { mode: byOutbox.outbox, hears: { orders: byOutbox.ordersHear, stock: byOutbox.stockHears, payment: byOutbox.paymentHears } },
  choreography: { mode: byChoreography.choreography, hears: { orders: byChoreography.ordersHear, stock: byChoreography.stockHears, payment: byChoreography.paymentHears } },
})) {
  describe(name, async () => {
    const shop = await openByHand(mode, hears);
    after(() => shop.close());
    const written = async (): Promise<number> => {
      const counts = await Promise.all(OUTBOXES.map((side) => shop.sides[side].pool.query("select (select count(*) from tripact.outbox) + (select count(*) from tripact.inbox) as rows")));
      return counts.reduce((sum, { rows }) => sum + Number(rows[0]?.rows), 0);
    };

    test("what is no event is refused by everybody", async () => {
      for (const consumer of OUTBOXES) {
        for (const topic of [`to-${consumer}`, "purchase.started", "purchase.reserve.done", "purchase.committed", "somebody.elses"]) {
          for (const payload of nonsense) {
            await assert.rejects(shop.consumers[consumer](eventOf(topic, payload)), refusedAs("not-understood"), `${consumer} ${topic} ${JSON.stringify(payload)}`);
          }
        }
      }
      assert.equal(await written(), 0);
    });
  });
}

test("outbox: news of an order that its database does not know are for a person", async () => {
  const { outbox, ordersHear, stockHears, paymentHears } = byOutbox;
  const shop = await openByHand(outbox, { orders: ordersHear, stock: stockHears, payment: paymentHears });
  try {
    for (const kind of ["stock.held", "payment.captured"]) await assert.rejects(shop.consumers.orders(eventOf("to-orders", { kind })), refusedAs("unknown-order"));
  } finally {
    await shop.close();
  }
});

describe("choreography: the provider's answer", async () => {
  const { choreography, ordersHear, stockHears, paymentHears } = byChoreography;
  const shop = await openByHand(choreography, { orders: ordersHear, stock: stockHears, payment: paymentHears });
  after(() => shop.close());
  const { payment } = shop.sides;
  const reserved = (key: string) => eventOf("purchase.reserve.done", { kind: "done", step: "reserve", input: order, results: {} }, key);
  const undo = (key: string) => eventOf("purchase.pay.undo", { kind: "undo", step: "pay", input: order, reason: { kind: "deadline" } }, key);
  const standing = async (key: string): Promise<unknown> => {
    const { rows } = await payment.pool.query(
      `select (select state from payment where order_id = $1) as payment, (select state from parked_question where order_id = $1) as parked,
              array(select topic from tripact.outbox where key = $1 order by seq) as said`,
      [key],
    );
    return rows[0];
  };

  test("is not asked for once it was called off, however late the question comes", async () => {
    await shop.consumers.payment(undo("undone-first"));
    await shop.consumers.payment(reserved("undone-first"));
    assert.deepEqual(await standing("undone-first"), { payment: null, parked: "called-off", said: ["purchase.pay.undone"] });
  });

  test("is called off while it is waited for, though the step has not run", async () => {
    await shop.consumers.payment(reserved("waiting"));
    assert.deepEqual(await standing("waiting"), { payment: "requested", parked: "waiting", said: [] });
    await shop.consumers.payment(undo("waiting"));
    assert.deepEqual(await standing("waiting"), { payment: "voided", parked: "called-off", said: ["purchase.pay.undone"] });
  });

  test("question and call off at once: nothing stays asked for", async () => {
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => `at-once-${n}`).map(async (key) => {
        await Promise.all([shop.consumers.payment(reserved(key)), shop.consumers.payment(undo(key))]);
        const { payment: state, parked } = (await standing(key)) as { payment: string | null; parked: string };
        assert.ok(state === null || state === "voided", `${key} is ${state}`);
        assert.equal(parked, "called-off");
      }),
    );
  });

  test("is not waited for with a question that could not be read when it comes", async () => {
    for (const said of [{ kind: "done", step: "reserve", input: { ...order, buyer: 1 }, results: {} }, { kind: "done", step: "reserve", input: order }]) {
      await assert.rejects(shop.consumers.payment(eventOf("purchase.reserve.done", said, "half")), refusedAs("not-understood"));
    }
    assert.deepEqual(await standing("half"), { payment: null, parked: null, said: [] });
  });

  test("of an order that the orders do not know is for a person", () => assert.rejects(shop.consumers.orders(reserved("nobodys")), refusedAs("unknown-order")));

  test("a question from yesterday is not asked any more", async () => {
    const old = { ...reserved("yesterday"), recordedAtMs: Date.now() - 25 * 60 * 60 * 1_000 };
    await shop.consumers.payment(old);
    assert.deepEqual(await standing("yesterday"), { payment: null, parked: null, said: [] });
  });
});
