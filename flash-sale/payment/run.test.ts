import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { openBooks, startPayment, startProvider, until, type Books } from "./company.fixture.ts";
import { bill, callOff, capture, stateOf } from "./ledger.ts";

const SEED = process.env["SEED"] ?? "7";
const CHARGES = 200;
let books: Books;
before(async () => {
  books = await openBooks(await freshDatabase("payment_run"));
});
after(() => books?.close());

test(`the provider's book and the shop's agree after ${CHARGES} charges with everything that goes wrong (SEED=${SEED})`, async () => {
  const company = await startProvider({ seed: SEED, declined: 0.1, slow: 0.1, slowMs: 250, duplicated: 0.3, late: 0.2, lateMs: 400, answerMs: 5 });
  const payment = await startPayment(books, { provider: company.origin, timing: { lookupAfterMs: 300, lookupCapMs: 300 } });
  try {
    // So many at once: more would wait for the one pool as long as a service waits, and that is an error.
    const left = Array.from({ length: CHARGES }).keys();
    await Promise.all(Array.from({ length: 25 }, async () => {
      for (const index of left) await purchase(index);
    }));
    await until("no errand is left and everything is answered", async () => (await unsettled()) === 0);
    await until("every callback is taken", () => company.provider.openCallbacks === 0);
    assert.equal(await unsettled(), 0);
    await compare(await company.book());
    assert.deepEqual({ payment: payment.errors, provider: company.errors }, { payment: [], provider: [] });
  } finally {
    await payment.stop();
    await company.stop();
  }

  /** One buyer: at once or later, at times called off, at a moment of its own. */
  async function purchase(index: number): Promise<void> {
    const id = `order-${index}`;
    const later = draw(id, "later") < 0.5;
    await payment.open((db) => bill(db, id, { buyer: `buyer-${index % 7}`, cents: 100 + index }, later ? "later" : "at-once"));
    const off = draw(id, "off") < 0.4;
    if (off && draw(id, "early") < 0.5) {
      await pause(draw(id, "moment") * 30);
      return payment.open((db) => callOff(db, id));
    }
    await until(`${id} is answered`, async () => (await stateOf(books.db, id)) !== "requested");
    if ((await stateOf(books.db, id)) === "authorised" && draw(id, "take") < 0.8) await payment.open((db) => capture(db, id));
    if (off) await payment.open((db) => callOff(db, id));
  }
});

async function unsettled(): Promise<number> {
  const { rows } = await books.pool.query("select 1 from payment where errand is not null or state in ('requested', 'refund-due')");
  return rows.length;
}

async function compare(book: readonly { readonly key: string; readonly cents: number; readonly state: string }[]): Promise<void> {
  const shop = await books.shop();
  const kept = new Map(book.filter(({ state }) => state === "captured").map(({ key, cents }) => [key, cents]));
  // What the shop has not, it has nothing of: no posting, or one that went back.
  for (const [orderId, cents] of shop) assert.equal(cents, kept.get(orderId) ?? 0, `${orderId}: the shop has ${cents}`);
  for (const [orderId, cents] of kept) assert.equal(shop.get(orderId), cents, `${orderId}: the provider has captured ${cents}`);
  // All of it was to be seen in this run.
  const seen = new Set(book.map(({ state }) => state));
  for (const state of ["captured", "declined", "voided", "refunded", "authorised"]) assert.ok(seen.has(state), `no charge is ${state}`);

  const { rows: torn } = await books.pool.query("select order_id, entry from posting group by 1, 2 having sum(cents) <> 0");
  assert.deepEqual(torn, []);
  const { rows: unlike } = await books.pool.query(
    `select p.order_id from payment p left join posting c on c.order_id = p.order_id and c.account = 'shop' and c.entry = 'capture'
     left join posting r on r.order_id = p.order_id and r.account = 'shop' and r.entry = 'refund'
     where (p.state in ('captured', 'refunded')) <> (c.id is not null) or (p.state = 'refunded') <> (r.id is not null) or c.cents <> p.cents or r.cents <> -p.cents`,
  );
  assert.deepEqual(unlike, []);
}

function draw(id: string, question: string): number {
  return createHash("sha256").update(`${SEED} ${id} ${question}`).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** Not to wait for something: a buyer changes his mind at no particular moment. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
