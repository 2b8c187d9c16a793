import assert from "node:assert/strict";
import { after, test } from "node:test";
import { migrateBarrier, pgTransactions } from "tripact/barrier";
import { freshDatabase } from "@tripact/testbed";
import pg from "pg";
import type { Placement, Sale } from "../contracts.ts";
import { makeTables } from "../service/database.ts";
import { acceptedAfter, because, beginRefund, close, countsOf, endChunk, insertOrder, openCount, openSale, overdue, overdueAfter, paid, refunded, settle, statesOf, timelineOf, type Overdue } from "./ledger.ts";
import { eachOverdue, newTurn } from "../modes/messages/overdue.ts";

const database = await freshDatabase("orders_ledger");
const pool = new pg.Pool({ connectionString: database.url, max: 12 });
await makeTables(pool, new URL("schema.sql", import.meta.url));
const open = pgTransactions(pool);
await open(migrateBarrier);
after(async () => {
  await pool.end();
  await database.drop();
});

let sales = 0;
async function sale(terms: Partial<Sale> = {}): Promise<string> {
  const sku = `sale-${(sales += 1)}`;
  await open((db) => openSale(db, { sku, units: 100, cents: 250, limitPerBuyer: 2, paymentWindowMs: 60_000, opensAt: 0, closesAt: 4e12, ...terms }));
  return sku;
}
const placement = (sku: string, orderId: string, more: Partial<Placement> = {}): Placement => ({ orderId, sku, buyer: "ada", requestId: orderId, quantity: 1, chunk: null, ...more });
/** As the worker does it: what is one too many is rolled back. */
const place = (asked: Placement): Promise<string> =>
  open(async (db) => {
    const inserted = await insertOrder(db, asked);
    if (inserted.kind === "limited") throw new Error("limited");
    return inserted.kind;
  }).catch((error: Error) => error.message);
const allowance = async (sku: string, buyer = "ada"): Promise<number> => (await pool.query(`select units from allowance where sku = $1 and buyer = $2`, [sku, buyer])).rows[0]?.units ?? 0;
const stateOf = async (orderId: string) => (await open((db) => statesOf(db, [orderId])))[orderId];

test("an order knows its price and its window from the sale, not from who asks", async () => {
  const sku = await sale();
  const inserted = await open((db) => insertOrder(db, placement(sku, "price", { quantity: 2 })));
  assert.deepEqual(inserted, { kind: "placed", order: { orderId: "price", sku, buyer: "ada", requestId: "price", quantity: 2, cents: 500, chunk: null, paymentWindowMs: 60_000 } });
});

test("the limit per buyer holds, whoever comes at once, and nothing stays of an order that was one too many", async () => {
  const sku = await sale();
  const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => place(placement(sku, `${sku}-${index}`))));
  assert.equal(answers.filter((kind) => kind === "placed").length, 2);
  assert.equal(answers.filter((kind) => kind === "limited").length, 10);
  assert.equal(await allowance(sku), 2);
  assert.equal((await pool.query(`select from orders where sku = $1`, [sku])).rowCount, 2);
  assert.equal(await place(placement(sku, `${sku}-much`, { buyer: "bob", quantity: 3 })), "limited");
  assert.equal(await allowance(sku, "bob"), 0);
});

test("one request id is one order, whatever the order id; the allowance is spent once", async () => {
  const sku = await sale();
  const kinds = await Promise.all(Array.from({ length: 12 }, () => place(placement(sku, `${sku}-one`))));
  assert.deepEqual([...new Set(kinds)].toSorted(), ["again", "placed"]);
  assert.equal(kinds.filter((kind) => kind === "placed").length, 1);
  assert.equal(await place(placement(sku, `${sku}-one`, { quantity: 2 })), "conflict");
  assert.equal(await place(placement(sku, `${sku}-other`, { requestId: `${sku}-one` })), "again");
  assert.equal(await allowance(sku), 1);
});

test("before it opens, after it closes, and without a sale nothing is placed", async () => {
  assert.equal(await place(placement(await sale({ opensAt: Date.now() + 60_000 }), "early")), "closed");
  assert.equal(await place(placement(await sale({ closesAt: Date.now() - 60_000 }), "late")), "closed");
  assert.equal(await place(placement("no such sale", "nowhere")), "closed");
  assert.deepEqual(await open((db) => statesOf(db, ["early", "late", "nowhere"])), {});
});

test("an order ends once: what comes second changes nothing", async () => {
  const sku = await sale({ limitPerBuyer: 10 });
  for (const orderId of ["ends-paid", "ends-closed"]) await place(placement(sku, orderId));
  assert.equal(await open((db) => paid(db, "ends-paid")), true);
  assert.equal(await open((db) => paid(db, "ends-paid")), false);
  assert.equal(await open((db) => close(db, "ends-paid")), false);
  await open((db) => because(db, "ends-closed", "declined"));
  await open((db) => because(db, "ends-closed", "sold-out"));
  assert.equal(await open((db) => close(db, "ends-closed")), true);
  assert.equal(await open((db) => close(db, "ends-closed")), false);
  assert.equal(await open((db) => paid(db, "ends-closed")), false);
  assert.deepEqual(await open((db) => statesOf(db, ["ends-paid", "ends-closed"])), { "ends-paid": "paid", "ends-closed": "declined" });
  assert.equal(await allowance(sku), 1);
  assert.deepEqual((await open((db) => timelineOf(db, "ends-paid"))).map(({ what }) => what), ["placed", "paid"]);
  assert.deepEqual(await open((db) => countsOf(db, sku)), { placed: 0, paid: 1, unitsSold: 1 });
});

test("overdue orders come in turn: those that are passed by do not keep the others from theirs", async () => {
  const sku = await sale({ limitPerBuyer: 10, paymentWindowMs: 1 });
  const ids = ["turn-a", "turn-b", "turn-c"];
  for (const id of ids) await place(placement(sku, id));
  await open((db) => db.execute("update orders set expires_at = now() - interval '1 hour' where order_id like 'turn-%'", []));
  const seen: string[] = [];
  let last: Overdue | undefined;
  for (let round = 0; round < 3; round += 1) {
    [last] = await open((db) => overdueAfter(db, last, 1));
    seen.push(last?.orderId ?? "none");
  }
  assert.deepEqual(seen, ids);
  const turn = newTurn();
  const rounds: string[][] = [];
  for (let round = 0; round < 2; round += 1) {
    const asked: string[] = [];
    await eachOverdue(open, turn, async (orderId) => void asked.push(orderId));
    rounds.push(asked.filter((id) => ids.includes(id)).toSorted());
  }
  assert.deepEqual(rounds, [ids, ids]);
  for (const id of ids) await open((db) => close(db, id));
});

test("closing says why: its time was up, or its way has failed", async () => {
  const sku = await sale({ limitPerBuyer: 10, paymentWindowMs: 1 });
  await place(placement(sku, "times-up"));
  assert.deepEqual(await open((db) => overdue(db, 10)), ["times-up"]);
  assert.deepEqual(await open((db) => overdue(db, 10, 60_000)), []);
  await open((db) => close(db, "times-up"));
  const patient = await sale();
  await place(placement(patient, "failed"));
  await open((db) => close(db, "failed"));
  assert.equal(await stateOf("times-up"), "expired");
  assert.equal(await stateOf("failed"), "failed");
});

test("a refund begins once, ends once, and gives the allowance back", async () => {
  const sku = await sale();
  await place(placement(sku, "refund", { quantity: 2 }));
  assert.equal(await open((db) => beginRefund(db, "refund")), false);
  await open((db) => paid(db, "refund"));
  const began = await Promise.all(Array.from({ length: 5 }, () => open((db) => beginRefund(db, "refund"))));
  assert.equal(began.filter(Boolean).length, 1);
  for (let turn = 0; turn < 2; turn += 1) await open((db) => refunded(db, "refund"));
  assert.equal(await stateOf("refund"), "refunded");
  assert.equal(await allowance(sku), 0);
});

test("a tombstone and a placement of one id: exactly one of them wins, and both hear which", async () => {
  const sku = await sale({ limitPerBuyer: 1_000 });
  for (let turn = 0; turn < 20; turn += 1) {
    const orderId = `race-${turn}`;
    const [placedAs, there] = await Promise.all([place(placement(sku, orderId)), open((db) => settle(db, orderId))]);
    assert.equal(placedAs, there ? "placed" : "never-placed", orderId);
    assert.equal(await open((db) => settle(db, orderId)), there);
  }
});

test("an ended chunk: orders on their way are told, later ones are placed without it", async () => {
  const sku = await sale({ limitPerBuyer: 10 });
  await place(placement(sku, "in-chunk", { chunk: "c1" }));
  await place(placement(sku, "paid-in-chunk", { chunk: "c1" }));
  await open((db) => paid(db, "paid-in-chunk"));
  assert.deepEqual(await open((db) => endChunk(db, "c1")), [{ orderId: "in-chunk", quantity: 1 }]);
  const inserted = await open((db) => insertOrder(db, placement(sku, "after", { chunk: "c1" })));
  assert.equal(inserted.kind === "placed" && inserted.order.chunk, null);
  assert.deepEqual(await open((db) => endChunk(db, "c1")), [{ orderId: "in-chunk", quantity: 1 }]);
});

test("accepted orders are told page by page, and an order that commits late is told as well", async () => {
  const sku = await sale({ limitPerBuyer: 10 });
  const late = await pool.connect();
  await late.query("begin");
  await insertOrder({ execute: (text, values) => late.query(text, [...values]) }, placement(sku, `${sku}-late`, { buyer: "late" }));
  await place(placement(sku, `${sku}-soon`));
  const first = await open((db) => acceptedAfter(db, sku, 0));
  assert.deepEqual(first.orders, [{ orderId: `${sku}-soon`, buyer: "ada", quantity: 1 }]);
  await late.query("commit");
  late.release();
  const second = await open((db) => acceptedAfter(db, sku, first.after));
  assert.ok(second.orders.some(({ orderId }) => orderId === `${sku}-late`));
});

test("orders on their way are counted up to a limit", async () => {
  const before = await open((db) => openCount(db, 1_000));
  await place(placement(await sale(), "one-more"));
  assert.equal(await open((db) => openCount(db, 1_000)), before + 1);
  assert.equal(await open((db) => openCount(db, 1)), 1);
});
