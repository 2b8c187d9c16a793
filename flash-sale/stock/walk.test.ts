import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import fc from "fast-check";
import { checkBooks, openTestStock } from "./books.fixture.ts";
import { end, lease, renew, settle, unclosed } from "./chunks.ts";
import { LedgerError, openItem, release, reserve, restock, sell } from "./ledger.ts";

const stock = await openTestStock(await freshDatabase("stock_walk"));
after(() => stock.drop());
const { open, db } = stock;

const UNITS = 12;
/** Few of each, so that most steps meet one that was there before. */
const order = fc.constantFrom("o1", "o2", "o3", "o4", "o5", "o6");
const chunk = fc.constantFrom("c1", "c2", "c3");
const step = fc.oneof(
  fc.record({ kind: fc.constant("reserve"), order, chunk: fc.option(chunk, { nil: null }) }),
  fc.record({ kind: fc.constantFrom("release" as const, "sell" as const, "restock" as const), order }),
  fc.record({ kind: fc.constant("lease"), chunk, units: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constantFrom("renew", "end"), chunk }),
  fc.record({ kind: fc.constant("settle"), chunk, listed: fc.uniqueArray(order, { maxLength: 3 }) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

const moves = { release, sell, restock };

/** An order always asks for the same quantity. */
const quantityOf = (name: string): number => 1 + (Number(name.at(-1)) % 3);

/** Names are of one walk: each walk has an item of its own in the one database. */
async function take(walk: string, one: Step): Promise<void> {
  const orderId = "order" in one ? `${walk}-${one.order}` : "";
  const id = "chunk" in one && one.chunk !== null ? `${walk}-${one.chunk}` : "";
  if ("listed" in one) return void (await settle(db, id, one.listed.map((name) => ({ orderId: `${walk}-${name}`, quantity: quantityOf(name) }))));
  if ("units" in one) {
    const { rows } = await db.execute(`select from chunk where id = $1`, [id]);
    if (rows.length === 0) await lease(db, { chunk: id, gateway: "g1", sku: walk, units: one.units });
    return;
  }
  if ("order" in one && "chunk" in one) {
    const reservation = { sku: walk, quantity: quantityOf(one.order), chunk: one.chunk === null ? null : id };
    return void (await open((tx) => reserve(tx, orderId, reservation)));
  }
  if ("order" in one) return open((tx) => moves[one.kind](tx, orderId));
  return one.kind === "end" ? end(db, [id]) : void (await renew(db, "g1", [id]));
}

/** The error names the seed. Not shrunk: that would take a database minutes, and the steps are few. */
const run = { numRuns: 25, endOnFailure: true };

let walks = 0;
async function begin(): Promise<string> {
  const walk = `walk-${(walks += 1)}`;
  await openItem(db, walk, UNITS);
  return walk;
}

async function orRefused(taken: Promise<void>): Promise<void> {
  await taken.catch((error: unknown) => assert.ok(error instanceof LedgerError, String(error)));
}

/** Whatever happened: when every order gives its units back and every chunk ends, all that was is free. */
async function bringAllHome(walk: string): Promise<void> {
  const { rows } = await db.execute(`select order_id as id, state from hold where sku = $1`, [walk]);
  for (const { id, state } of rows) await open((tx) => (state === "sold" ? restock(tx, String(id)) : release(tx, String(id))));
  for (const { id } of await unclosed(db)) {
    await end(db, [id]);
    await settle(db, id, []);
  }
  assert.deepEqual(await checkBooks(stock, walk), { initial: UNITS, free: UNITS, leased: 0, held: 0, sold: 0 });
}

test("whatever is done, in whatever order: after each step the books add up", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
      const walk = await begin();
      for (const one of steps) {
        await orRefused(take(walk, one));
        await checkBooks(stock, walk);
      }
      await bringAllHome(walk);
    }),
    run,
  );
});

test("and when much is done at once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { minLength: 6, maxLength: 10 }), { minLength: 3, maxLength: 6 }), async (bursts) => {
      const walk = await begin();
      for (const burst of bursts) {
        // Leases first: two of one name at once would be a mistake of this test.
        const [leases, others] = [burst.filter((one) => "units" in one), burst.filter((one) => !("units" in one))];
        for (const one of leases) await take(walk, one);
        await Promise.all([...others, ...others].map((one) => orRefused(take(walk, one))));
        await checkBooks(stock, walk);
      }
      await bringAllHome(walk);
    }),
    run,
  );
});
