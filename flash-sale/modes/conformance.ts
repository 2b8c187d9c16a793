/** What every mode must do with a purchase while nothing breaks. Effects are counted in the databases of orders, stock and payment. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { Mode } from "./mode.ts";
import { openShop, until, type Shop } from "./shop.fixture.ts";

export function modeConformance(mode: Mode): void {
  // Money that is set aside first is taken with the decision.
  const yes = mode.name === "tcc" ? "authorised" : "captured";

  describe(`a purchase by ${mode.name}`, () => {
    let shop: Shop;
    before(async () => void (shop = await openShop(mode)));
    after(() => shop.close());
    const sale = async (name: string, terms = {}): Promise<string> => {
      await shop.openSale(name, terms);
      return name;
    };
    /** Nobody has anything: the units are free, the money is where it was or on its way back. */
    const undone = async (sku: string, orderId: string): Promise<void> => {
      await until(`the units of ${orderId} are free`, async () => isDeepStrictEqual(await shop.levels(sku), { initial: 10, free: 10, leased: 0, held: 0, sold: 0 }));
      const { rows } = await shop.pools.payment.query(`select coalesce(sum(cents), 0)::int as cents from posting where order_id = $1 and account = 'shop'`, [orderId]);
      assert.equal(rows[0]?.cents, 0);
      assert.equal((await shop.pools.orders.query(`select coalesce(sum(units), 0)::int as units from allowance where sku = $1`, [sku])).rows[0].units, 0);
    };

    test("is paid: the buyer has the units, the shop the money", async () => {
      const sku = await sale("lamp");
      assert.deepEqual(await shop.place(sku, "ada", { quantity: 2 }), { kind: "placed", orderId: "ada", again: false });
      await shop.answer("ada", yes);
      await shop.until("ada", "paid");
      await until("the units are sold", async () => (await shop.levels(sku)).sold === 2);
      await until("the money is taken", async () => (await shop.payment("ada")) === "captured");
      assert.deepEqual(await shop.levels(sku), { initial: 10, free: 8, leased: 0, held: 0, sold: 2 });
      const { rows } = await shop.pools.payment.query(`select account, cents from posting where order_id = 'ada' order by account`);
      assert.deepEqual(rows, [{ account: "buyer:buyer-of-ada", cents: -1_000 }, { account: "shop", cents: 1_000 }]);
      const { rows: said } = await shop.pools.orders.query(`select what from order_event where order_id = 'ada' and what in ('placed', 'paid') order by at`);
      assert.deepEqual(said, [{ what: "placed" }, { what: "paid" }]);
    });

    test("says sold-out when nothing is left, and asks for no money", async () => {
      const sku = await sale("rare", { units: 1, limitPerBuyer: 5 });
      await shop.place(sku, "sold-out", { quantity: 2 });
      await shop.until("sold-out", "sold-out");
      assert.deepEqual(await shop.levels(sku), { initial: 1, free: 1, leased: 0, held: 0, sold: 0 });
      // Side by side, a payment may have been asked for before the refusal was known; it is called off.
      await until("no payment is open", async () => [undefined, "voided"].includes(await shop.payment("sold-out")));
    });

    test("is declined: the units return, and the buyer may try again", async () => {
      const sku = await sale("declining");
      await shop.place(sku, "declined", { buyer: "eve", quantity: 2 });
      await shop.answer("declined", "declined");
      await shop.until("declined", "declined");
      await undone(sku, "declined");
      await shop.place(sku, "second", { buyer: "eve", quantity: 2 });
      await shop.answer("second", yes);
      await shop.until("second", "paid");
    });

    test("expires unpaid: the units return; note 31: a capture that comes later is refunded", async () => {
      const sku = await sale("expiring", { paymentWindowMs: 2_000 });
      await shop.place(sku, "late", { quantity: 2 });
      await shop.until("late", "expired");
      await until("the payment is called off", async () => (await shop.payment("late")) === "voided");
      await undone(sku, "late");
      await shop.answer("late", "captured");
      assert.equal(await shop.payment("late"), "refund-due");
      assert.equal(await shop.stateOf("late"), "expired");
      await undone(sku, "late");
    });

    test("is cancelled while it waits for the money", async () => {
      const sku = await sale("cancelling");
      await shop.place(sku, "cancelled");
      await until("the provider is asked", async () => (await shop.payment("cancelled")) === "requested");
      assert.equal((await shop.orders.ask("/orders/cancel", { orderId: "cancelled" })).kind, "found");
      await shop.until("cancelled", "cancelled");
      await undone(sku, "cancelled");
    });

    test("is cancelled in the very moment in which it is placed", async () => {
      const sku = await sale("at-once");
      const ids = Array.from({ length: 8 }, (_, index) => `at-once-${index}`);
      await Promise.all(ids.map(async (orderId) => {
        await shop.place(sku, orderId);
        await shop.orders.ask("/orders/cancel", { orderId });
      }));
      for (const orderId of ids) await shop.until(orderId, "cancelled");
      for (const orderId of ids) await undone(sku, orderId);
    });

    test("is refunded after it was paid, once, however often it is asked for", async () => {
      const sku = await sale("refunding");
      await shop.place(sku, "back", { quantity: 2 });
      await shop.answer("back", yes);
      await shop.until("back", "paid");
      await until("the money is taken", async () => (await shop.payment("back")) === "captured");
      await Promise.all([1, 2, 3].map(() => shop.orders.ask("/orders/cancel", { orderId: "back" })));
      await shop.until("back", "refunded");
      await until("the money is on its way back", async () => (await shop.payment("back")) === "refund-due");
      await undone(sku, "back");
    });

    test("is refunded in the very moment in which it is paid, and nothing of it stays open", async () => {
      const sku = await sale("paid-at-once");
      const ids = Array.from({ length: 8 }, (_, index) => `paid-at-once-${index}`);
      await Promise.all(ids.map(async (orderId) => {
        await shop.place(sku, orderId);
        await shop.answer(orderId, yes);
        await until(`${orderId} is paid`, async () => (await shop.stateOf(orderId)) === "paid");
        await shop.orders.ask("/orders/cancel", { orderId });
      }));
      for (const orderId of ids) await shop.until(orderId, "refunded");
      for (const orderId of ids) await until(`the money of ${orderId} is on its way back`, async () => (await shop.payment(orderId)) === "refund-due");
      const last = ids.at(-1) ?? "";
      await undone(sku, last);
      if (mode.name === "saga" || mode.name === "tcc") {
        const pool = shop.pools.orders;
        const open = "select gid, status from tripact.transaction where ended_at is null and gid like '%paid-at-once-%'";
        await until("every transaction of it has ended", async () => (await pool.query(open)).rows.length === 0);
        // Money first, and that is the pivot: no attempt that is spent can turn it back.
        const { rows } = await pool.query<{ story: string }>("select coalesce(t.opening, '') || string_agg(e.entry, '' order by e.seq) as story from tripact.transaction t join tripact.entry e using (gid) where gid = $1 group by t.opening", [`refund-${last}`]);
        assert.match(rows[0]?.story ?? "", /"kind":"pivot"[^]*"repay"|"repay"[^]*"kind":"pivot"/);
      }
    });

    test("hears the provider as often as he likes to say it", async () => {
      const sku = await sale("echo");
      await shop.place(sku, "echo-1");
      await Promise.all([1, 2, 3].map(() => shop.answer("echo-1", yes)));
      await shop.until("echo-1", "paid");
      await shop.answer("echo-1", "captured");
      await shop.answer("echo-1", "declined");
      await until("the unit is sold", async () => (await shop.levels(sku)).sold === 1);
      await until("the money is taken", async () => (await shop.payment("echo-1")) === "captured");
      assert.equal(await shop.stateOf("echo-1"), "paid");
      assert.deepEqual(await shop.levels(sku), { initial: 10, free: 9, leased: 0, held: 0, sold: 1 });
    });

    test("one request, many times at once: one order; another quantity is a conflict; the limit holds", async () => {
      const sku = await sale("limited");
      const answers = await Promise.all(Array.from({ length: 20 }, () => shop.place(sku, "once", { buyer: "bob" })));
      assert.equal(answers.filter((answer) => answer.kind === "placed" && !answer.again).length, 1);
      assert.equal(answers.filter((answer) => answer.kind === "placed").length, 20);
      assert.deepEqual(await shop.place(sku, "once", { buyer: "bob", quantity: 2 }), { kind: "conflict" });
      const more = await Promise.all(["two", "three", "four"].map((orderId) => shop.place(sku, orderId, { buyer: "bob" })));
      assert.deepEqual(more.map(({ kind }) => kind).toSorted(), ["limited", "limited", "placed"]);
      const { rows } = await shop.pools.orders.query(`select units from allowance where sku = $1 and buyer = 'bob'`, [sku]);
      assert.deepEqual(rows, [{ units: 2 }]);
    });

    test("to be told that an order was never placed makes it so", async () => {
      const sku = await sale("never");
      assert.deepEqual(await shop.orders.ask("/orders/settle", { orderId: "lost" }), { kind: "never-placed" });
      assert.deepEqual(await shop.place(sku, "lost"), { kind: "never-placed" });
      await shop.place(sku, "found");
      assert.deepEqual(await shop.orders.ask("/orders/settle", { orderId: "found" }), { kind: "placed" });
    });

    test("more orders than units, side by side: exactly the units are sold", async () => {
      const sku = await sale("rush", { units: 10 });
      const ids = Array.from({ length: 25 }, (_, index) => `rush-${index}`);
      await Promise.all(ids.map((orderId) => shop.place(sku, orderId)));
      const ended = await Promise.all(ids.map(async (orderId) => {
        await until(`${orderId} is asked for or sold out`, async () => (await shop.payment(orderId)) === "requested" || (await shop.stateOf(orderId)) === "sold-out");
        if ((await shop.stateOf(orderId)) !== "sold-out") await shop.answer(orderId, yes);
        await until(`${orderId} has ended`, async () => ["paid", "sold-out"].includes((await shop.stateOf(orderId)) ?? ""));
        return await shop.stateOf(orderId);
      }));
      assert.equal(ended.filter((state) => state === "paid").length, 10);
      await until("ten are sold", async () => (await shop.levels(sku)).sold === 10);
      assert.deepEqual(await shop.levels(sku), { initial: 10, free: 0, leased: 0, held: 0, sold: 10 });
    });
  });
}
