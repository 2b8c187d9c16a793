/** Row and effect in one statement: the same answers as `transact` in every order, and nothing of it where it does not do. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { Refused } from "../../protocol/outcome.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import { migrateBarrier } from "../migrate.ts";
import { pgTransactions } from "../transaction.ts";
import { postgresBarrier } from "./barrier.ts";
import { openLedger, toldBy } from "./conformance/ledger.ts";
import type { Ask, Deliver } from "./conformance/ledger.ts";
import { explore, ordersOf } from "./conformance/orders.ts";
import type { Effect, EffectSql } from "./in-one.ts";

const database = await freshDatabase("barrier_in_one");
const pool = new Pool({ connectionString: database.url, max: 6, options: "-c synchronous_commit=off" });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await open(migrateBarrier);
const ledger = await openLedger(open);
const barrier = postgresBarrier();
const alone: SqlExecutor = { execute: (text, values) => pool.query(text, [...values]) };

const writing = `noted as (insert into effect (gid, branch, op) values ($1, $2, $3) returning seq)`;
const WRITES: EffectSql = { with: writing, done: "exists (select from noted) and not $4::boolean" };
const effectOf = ({ gid, branch, op, refuse }: Ask): Effect => ({ sql: WRITES, values: [gid, branch, op, refuse] });
/** Its results are nobody's business: `inOne` has none. */
const inOne = (ask: Ask, effect = effectOf(ask)): Promise<void> => barrier.inOne(alone, open, ask, effect, async (db) => void (await ledger.work(db, ask)));
const guarded: Deliver = (ask) => toldBy(() => inOne(ask).then(() => undefined));
const asked = (gid: string, op: Ask["op"]): Ask => ({ gid, branch: "wallet", op, refuse: false });

for (const [name, orders] of [["tcc", ordersOf(["try", "confirm", "cancel"], 2)], ["saga", ordersOf(["action", "compensate"], 3)]] as const) {
  test(`every order of ${name}'s ops, with repeats and refusals, leaves at most one effect and never a contradiction`, async (t) => {
    const found = await explore(`one-${name}`, ledger, guarded, orders);
    assert.deepEqual(found.violations, []);
    t.diagnostic(`${found.orders} orders, ${found.deliveries} deliveries`);
  });
}

test("the usual course is one statement, and never opens a transaction", async () => {
  const never = () => Promise.reject(new Error("a transaction was opened"));
  for (const op of ["try", "confirm"] as const) {
    const texts: string[] = [];
    const counting: SqlExecutor = { execute: (text, values) => (texts.push(text), alone.execute(text, values)) };
    await barrier.inOne(counting, never, asked("usual", op), effectOf(asked("usual", op)), never);
    assert.equal(texts.length, 1);
  }
  assert.deepEqual((await ledger.effectsOf("usual")).map(({ op }) => op), ["try", "confirm"]);
  const { rows } = await pool.query("select phase, op, state from tripact.barrier where gid = 'usual' order by phase");
  assert.deepEqual(rows, [{ phase: 1, op: "try", state: "done" }, { phase: 2, op: "confirm", state: "done" }]);
});

test("many at once: one effect, and everybody hears of it", async () => {
  const told = await Promise.all(Array.from({ length: 6 }, () => guarded(asked("many", "action"))));
  assert.deepEqual(told.map(({ kind }) => kind), Array.from({ length: 6 }, () => "done"));
  assert.equal((await ledger.effectsOf("many")).length, 1);
});

test("what waits for an undo in flight is refused, and leaves nothing", async () => {
  const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
  const { promise: inside, resolve: claimed } = Promise.withResolvers<void>();
  const undo = open(async (db) => {
    await barrier.run(db, asked("late", "compensate"), () => Promise.resolve());
    claimed();
    await mayCommit;
  });
  await inside;
  const action = guarded(asked("late", "action"));
  commit();
  await undo;
  assert.deepEqual(await action, { kind: "refused", code: "already-undone" });
  assert.deepEqual(await ledger.effectsOf("late"), []);
});

test("an effect that does not find what it needs leaves no row, and the body says why", async () => {
  const nothing: Effect = { sql: { with: "found as (select where false)", done: "exists (select from found)" }, values: [] };
  await assert.rejects(barrier.inOne(alone, open, asked("why", "action"), nothing, () => Promise.reject(new Refused("sold-out"))), { code: "sold-out" });
  const { rows } = await pool.query("select state, code from tripact.barrier where gid = 'why'");
  assert.deepEqual(rows, [{ state: "refused", code: "sold-out" }]);
});

test("a constraint that the effect breaks leaves no row, and the body says whether that is a no", async () => {
  await pool.query("create table shelf (item text primary key, left_over int not null check (left_over >= 0))");
  await pool.query("insert into shelf values ('lamp', 0)");
  const taking: Effect = { sql: { with: "taken as (update shelf set left_over = left_over - 1 where item = 'lamp' returning item)", done: "exists (select from taken)" }, values: [] };
  const body = async (db: SqlExecutor): Promise<void> => {
    await db.execute("savepoint taking", []);
    try {
      await db.execute("update shelf set left_over = left_over - 1 where item = 'lamp'", []);
    } catch (error) {
      await db.execute("rollback to savepoint taking", []);
      if ((error as { code?: string }).code === "23514") throw new Refused("sold-out");
      throw error;
    }
  };
  await assert.rejects(barrier.inOne(alone, open, asked("shelf", "action"), taking, body), { code: "sold-out" });
  assert.deepEqual((await pool.query("select state, code from tripact.barrier where gid = 'shelf'")).rows, [{ state: "refused", code: "sold-out" }]);
});

test("another payload under the same key is told apart, and a call that came too late is not executed", async () => {
  const body = (): Promise<void> => Promise.resolve();
  const ask = { ...asked("key", "action"), payload: { units: 1 } };
  await barrier.inOne(alone, open, ask, effectOf(ask), body);
  await assert.rejects(barrier.inOne(alone, open, { ...ask, payload: { units: 2 } }, effectOf(ask), body), { code: "key-reused" });
  await assert.rejects(barrier.inOne(alone, open, { ...asked("old", "action"), notAfterMs: 1 }, effectOf(ask), body), { code: "expired" });
  assert.equal((await ledger.effectsOf("key")).length, 1);
});

test("a lost reply is unknown, and the repeat finds the answer", async () => {
  const lossy: SqlExecutor = {
    execute: async (text, values) => {
      await alone.execute(text, values);
      throw new Error("the connection broke");
    },
  };
  const ask = asked("lossy", "action");
  await assert.rejects(barrier.inOne(lossy, open, ask, effectOf(ask), async (db) => void (await ledger.work(db, ask))), /connection broke/);
  await inOne(ask);
  assert.equal((await ledger.effectsOf("lossy")).length, 1);
});
