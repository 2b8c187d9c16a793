/** For tests: whether orders, stock and payment say the same of every order when nothing is under way any more. */
import assert from "node:assert/strict";
import type { OrderState, PaymentState } from "../../contracts.ts";
import { levels } from "../../stock/ledger.ts";
import type { ByHand } from "./post.fixture.ts";

interface Book {
  readonly order_id: string;
  readonly state: OrderState;
  readonly quantity: number;
  readonly cents: number;
}

const UNPAID: readonly (PaymentState | undefined)[] = [undefined, "voided", "declined", "refund-due"];

/** Returns how many orders ended in which state. */
export async function assertAgreed({ sides }: ByHand, sku: string, units: number): Promise<ReadonlyMap<OrderState, number>> {
  const { rows: orders } = await sides.orders.pool.query<Book>("select order_id, state, quantity, cents from orders where sku = $1", [sku]);
  const { rows: holds } = await sides.stock.pool.query<{ order_id: string; state: string }>("select order_id, state from hold where sku = $1", [sku]);
  const { rows: payments } = await sides.payment.pool.query<{ order_id: string; state: PaymentState }>("select order_id, state from payment");
  const holdOf = new Map(holds.map(({ order_id, state }) => [order_id, state]));
  const paymentOf = new Map(payments.map(({ order_id, state }) => [order_id, state]));
  const ended = new Map<OrderState, number>();
  for (const { order_id: id, state } of orders) {
    const has = { order: state, hold: holdOf.get(id), payment: paymentOf.get(id) };
    ended.set(state, (ended.get(state) ?? 0) + 1);
    if (state === "paid") assert.deepEqual(has, { order: "paid", hold: "sold", payment: "captured" }, id);
    else if (state === "refunded") assert.deepEqual(has, { order: "refunded", hold: "restocked", payment: "refund-due" }, id);
    else {
      assert.ok(["sold-out", "declined", "expired", "cancelled"].includes(state), `${id}: ${JSON.stringify(has)}`);
      assert.ok(has.hold === undefined || has.hold === "released", `${id}: ${JSON.stringify(has)}`);
      assert.ok(UNPAID.includes(has.payment), `${id}: ${JSON.stringify(has)}`);
    }
  }
  const paid = orders.filter(({ state }) => state === "paid");
  const sold = paid.reduce((sum, { quantity }) => sum + quantity, 0);
  assert.deepEqual(await sides.stock.open((db) => levels(db, sku)), { initial: units, free: units - sold, leased: 0, held: 0, sold });
  assert.equal(await centsOfShop(orders.map((order) => order.order_id)), paid.reduce((sum, { cents }) => sum + cents, 0));
  const { rows: spent } = await sides.orders.pool.query("select coalesce(sum(units), 0)::int as units from allowance where sku = $1", [sku]);
  assert.equal(spent[0]?.units, sold, "the buyers' allowance");
  return ended;

  async function centsOfShop(ids: readonly string[]): Promise<number> {
    const { rows } = await sides.payment.pool.query("select coalesce(sum(cents), 0)::int as cents, coalesce(sum(cents) filter (where account = 'shop'), 0)::int as shop from posting where order_id = any ($1)", [ids]);
    assert.equal(rows[0]?.cents, 0, "double entry");
    return Number(rows[0]?.shop);
  }
}
