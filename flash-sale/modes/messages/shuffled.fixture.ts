/** For tests: some purchases, and all that may happen to them, in an order that a seed chooses. */
import assert from "node:assert/strict";
import type { PaymentSettled } from "../../contracts.ts";
import { because, insertOrder, openSale, orderOf } from "../../orders/ledger.ts";
import { record, stateOf } from "../../payment/ledger.ts";
import { openItem } from "../../stock/ledger.ts";
import { pick, Post, randomOf, type ByHand, type Carried } from "./post.fixture.ts";

const ORDERS = 8;
export const UNITS = 9;
const STEPS_MAX = 3_000;
const SOON = 1 / 12;

/** What happens to an order besides its messages. Each may come at any time; whether it still changes something is what is tested. */
type Fate = "answered" | "cancelled" | "expired" | "given-back";
const FATES: readonly (readonly Fate[])[] = [
  ["answered"],
  ["answered"],
  ["answered", "given-back"],
  ["answered", "cancelled"],
  ["answered", "expired"],
  ["cancelled"],
  ["expired"],
  ["answered", "cancelled", "expired", "given-back"],
];

export interface Shuffle {
  readonly seed: number;
  readonly carried: Carried;
  readonly sku: string;
  /** All agree only when the provider has answered everything that he was asked; else also where he never does. */
  readonly needsAnswers: boolean;
}

/** Returns what could not be delivered at its first try. */
export async function runShuffled(shop: ByHand, { seed, carried, sku, needsAnswers }: Shuffle): Promise<Post["failures"]> {
  const random = randomOf(seed);
  const post = new Post(shop, carried, random);
  // What earlier runs have left is theirs, and settled.
  await post.collect();
  const { orders, stock } = shop.sides;
  await orders.open((db) => openSale(db, { sku, units: UNITS, cents: 500, limitPerBuyer: 2, paymentWindowMs: 600_000, opensAt: 0, closesAt: 4e12 }));
  await stock.open((db) => openItem(db, sku, UNITS));
  const open: Fated[] = [];
  for (let n = 0; n < ORDERS; n += 1) {
    const orderId = `${sku}-${n}`;
    await place(shop, { orderId, sku, quantity: 1 + Math.floor(random() * 2) });
    open.push({ orderId, fates: new Set(pick(FATES, random)) });
  }
  for (let step = 0; ; step += 1) {
    assert.ok(step < STEPS_MAX, `seed ${seed}: still going after ${STEPS_MAX} steps`);
    const letters = await post.collect();
    if (letters && random() > SOON) {
      await post.carryOne();
      continue;
    }
    if (letters) await strike(shop, pick(open, random), random);
    else if (!(await settleRest(shop, open, random, needsAnswers))) break;
  }
  await post.repeatAll();
  assert.equal(await post.collect(), false, `seed ${seed}: a repeat was taken for news`);
  return post.failures;
}

async function place(shop: ByHand, { orderId, sku, quantity }: { readonly orderId: string; readonly sku: string; readonly quantity: number }): Promise<void> {
  await shop.sides.orders.open(async (db) => {
    const inserted = await insertOrder(db, { orderId, sku, buyer: `buyer of ${orderId}`, requestId: orderId, quantity, chunk: null });
    assert.equal(inserted.kind, "placed");
    if (inserted.kind === "placed") await shop.orders.beginIn?.(db, inserted.order);
  });
}

type Fated = { readonly orderId: string; readonly fates: Set<Fate> };

/** One of an order's fates, if it can happen by now. */
async function strike(shop: ByHand, order: Fated | undefined, random: () => number): Promise<boolean> {
  const fate = order === undefined ? undefined : pick([...order.fates], random);
  if (order === undefined || fate === undefined || !(await happens(shop, order.orderId, fate, random))) return false;
  return order.fates.delete(fate);
}

/** False if it is too early: an answer waits for its question, a refund for its payment. */
async function happens(shop: ByHand, orderId: string, fate: Fate, random: () => number): Promise<boolean> {
  const { orders, payment } = shop.sides;
  switch (fate) {
    case "answered":
      if ((await payment.open((db) => stateOf(db, orderId))) === undefined) return false;
      await answer(shop, orderId, random() < 0.25 ? "declined" : "captured");
      return true;
    case "cancelled":
      await orders.open((db) => because(db, orderId, "cancelled"));
      await shop.orders.cancel(orderId);
      return true;
    case "expired":
      await orders.pool.query("update orders set expires_at = clock_timestamp() - interval '1 second' where order_id = $1", [orderId]);
      await shop.orders.sweep?.();
      return true;
    case "given-back":
      if ((await orders.open((db) => orderOf(db, orderId)))?.state !== "paid") return false;
      await shop.orders.refund(orderId);
      return true;
  }
}

/** Nothing is under way: what has not happened yet happens now. False if there is nothing left. */
async function settleRest(shop: ByHand, open: readonly Fated[], random: () => number, needsAnswers: boolean): Promise<boolean> {
  let happened = false;
  for (const { orderId, fates } of open) {
    if (needsAnswers && (await shop.sides.payment.open((db) => stateOf(db, orderId))) === "requested") fates.add("answered");
    for (const fate of fates) {
      if (!(await happens(shop, orderId, fate, random))) continue;
      fates.delete(fate);
      happened = true;
    }
  }
  return happened;
}

/** As the payment service takes it, and the callback comes twice. */
async function answer(shop: ByHand, orderId: string, outcome: PaymentSettled["outcome"]): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    await shop.sides.payment.open(async (db) => {
      const news = await record(db, orderId, outcome);
      if (news !== undefined) await shop.payment.settledIn?.(db, news);
    });
  }
}
