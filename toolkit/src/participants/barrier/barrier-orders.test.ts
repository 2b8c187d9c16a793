/** All orders and duplicates against a real Postgres, and the proof that the checks ring. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import type { SqlExecutor } from "../../stores/sql.ts";
import { migrateBarrier } from "../migrate.ts";
import { pgTransactions } from "../transaction.ts";
import { resultOf } from "./answer.ts";
import { postgresBarrier } from "./barrier.ts";
import { openLedger, toldBy } from "./conformance/ledger.ts";
import type { Deliver } from "./conformance/ledger.ts";
import { explore, ordersOf } from "./conformance/orders.ts";

const database = await freshDatabase("barrier_orders");
// What is judged here is order, not power loss.
const pool = new Pool({ connectionString: database.url, max: 4, options: "-c synchronous_commit=off" });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await open(migrateBarrier);
const ledger = await openLedger(open);
const barrier = postgresBarrier();

const guarded: Deliver = (ask) => toldBy(() => barrier.transact(open, ask, (db) => ledger.work(db, ask)));

const tcc = ordersOf(["try", "confirm", "cancel"], 2);
const saga = ordersOf(["action", "compensate"], 3);

test("every order of try, confirm and cancel, each up to twice, leaves at most one effect and never a contradiction (notes 2, 21, 23)", async (t) => {
  const found = await explore("tcc", ledger, guarded, tcc);
  assert.deepEqual(found.violations, []);
  t.diagnostic(`${found.orders} orders, ${found.deliveries} deliveries`);
});

test("every order of action and compensate, each up to three times, leaves at most one effect and never a contradiction (notes 2, 23)", async (t) => {
  const found = await explore("saga", ledger, guarded, saga);
  assert.deepEqual(found.violations, []);
  t.diagnostic(`${found.orders} orders, ${found.deliveries} deliveries`);
});

test("a barrier beside the effect's transaction is caught", async () => {
  const beside: Deliver = (ask) =>
    toldBy(async () => {
      const work = await open((db) => ledger.work(db, ask));
      return barrier.transact(open, ask, async () => work);
    });
  await rings("beside", beside, /took effect 2 times|told refused and has an effect/);
});

test("no barrier at all is caught", async () => {
  await rings("none", (ask) => toldBy(() => open((db) => ledger.work(db, ask))), /took effect 2 times/);
});

test("note 2: a refusal that is rolled back instead of recorded is caught", async () => {
  const forgetful: Deliver = (ask) =>
    toldBy(() => open(async (db) => resultOf(await barrier.run(db, ask, () => ledger.work(db, ask)))));
  await rings("forgetful", forgetful, /answered \{"kind":"refused","code":"no-funds"\}, then \{"kind":"done"/);
});

test("a try or action that is accepted after its undo is caught", async () => {
  const withoutTombstones = async (db: SqlExecutor, gid: string): Promise<void> => {
    await db.execute("delete from tripact.barrier where gid = $1 and state = 'tombstone'", [gid]);
  };
  const hanging: Deliver = (ask) =>
    toldBy(() =>
      open(async (db) => {
        await withoutTombstones(db, ask.gid);
        return resultOf(await barrier.run(db, ask, () => ledger.work(db, ask)));
      }),
    );
  await rings("hanging", hanging, /undone, yet 1 forward and 0 undo effects stand/);
});

test("an undo that runs without its forward op is caught", async () => {
  const eager: Deliver = (ask) =>
    toldBy(async () => {
      const answer = await open((db) => barrier.run(db, ask, () => ledger.work(db, ask)));
      if (answer.kind === "done" && answer.how === "empty") return open((db) => ledger.work(db, ask));
      return resultOf(answer);
    });
  await rings("eager", eager, /an undo took effect without its forward op/);
});

async function rings(name: string, broken: Deliver, alarm: RegExp): Promise<void> {
  const orders = [...ordersOf(["try", "confirm", "cancel"], 1), ...ordersOf(["action", "compensate"], 2)];
  const { violations } = await explore(name, ledger, broken, orders);
  assert.match(violations.join("\n"), alarm);
}
