import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import pg from "pg";
import { freshDatabase } from "@tripact/testbed";
import { createTripact, Refused, saga, type SqlExecutor, type Tripact, type TransactionOutcome } from "tripact";
import { pgTransactions } from "tripact/barrier";
import { waking } from "tripact/outbox";
import { migrate, postgresStore } from "tripact/postgres";
import { systemClock, type Clock } from "../../src/runtime/clock.ts";
import { LOOKS_MS } from "../../src/runtime/ownership/looks.ts";

interface Order {
  readonly id: string;
  readonly refuse?: "sql" | "step";
}

const purchase = saga("purchase", async (tx, order: Order) => {
  const row = await tx.sql(
    "order",
    async (db) => {
      await db.execute("insert into orders (id, state) values ($1, 'placed')", [order.id]);
      if (order.refuse === "sql") throw new Refused("closed");
      return { id: order.id };
    },
    { undo: async (db, result) => void (await db.execute("update orders set state = 'cancelled' where id = $1", [result.id])) },
  );
  // A flow may do other things while a local step holds the header.
  const [, other] = await Promise.all([
    tx.sql("count", async (db) => void (await db.execute("update counter set n = n + 1", [])), { undo: async (db) => void (await db.execute("update counter set n = n - 1", [])) }),
    tx.step("other", () => "other", { undo: "nothing" }),
  ]);
  await tx.emit("order.placed", { key: row.id, payload: { id: row.id } });
  if (order.refuse === "step") await tx.step("refuse", () => { throw new Refused("no"); }, { undo: "nothing" });
  return `${row.id}/${other}`;
});

const database = await freshDatabase("local_sql");
const pool = new pg.Pool({ connectionString: database.url });
const openNode = (): Promise<Tripact> => createTripact({ store: postgresStore({ url: database.url }), definitions: [purchase], pollEveryMs: 200 });
let tripact: Tripact;

before(async () => {
  await migrate(database.url);
  await pool.query("create table orders (id text primary key, state text not null); create table counter (n int not null); insert into counter values (0)");
  tripact = await openNode();
});
after(async () => {
  await tripact.stop();
  await pool.end();
  await database.drop();
});

async function rows(text: string, ...values: unknown[]): Promise<Record<string, unknown>[]> {
  return (await pool.query<Record<string, unknown>>(text, values)).rows;
}

test("a local step commits with its entry, the message with the decision", async () => {
  const outcome = await tripact.run(purchase, { id: "a" }, { gid: "sql-a" });
  assert.deepEqual(outcome, { kind: "committed", gid: "sql-a", result: "a/other" });
  assert.deepEqual(await rows("select id, state from orders where id = 'a'"), [{ id: "a", state: "placed" }]);
  assert.deepEqual(await rows("select n from counter"), [{ n: 1 }]);
  assert.deepEqual(await rows("select topic, key, payload from tripact.outbox where key = 'a'"), [{ topic: "order.placed", key: "a", payload: '{"id":"a"}' }]);
});

test("a refused local step leaves nothing; a refusal later undoes it in its own commit, and nothing is sent", async () => {
  const refused: TransactionOutcome<string> = await tripact.run(purchase, { id: "b", refuse: "sql" });
  assert.equal(refused.kind, "rolled-back");
  assert.deepEqual(await rows("select * from orders where id = 'b'"), []);
  const undone = await tripact.run(purchase, { id: "c", refuse: "step" });
  assert.equal(undone.kind, "rolled-back");
  assert.deepEqual(await rows("select id, state from orders where id = 'c'"), [{ id: "c", state: "cancelled" }]);
  assert.deepEqual(await rows("select n from counter"), [{ n: 1 }]);
  assert.deepEqual(await rows("select * from tripact.outbox where key in ('b', 'c')"), []);
});

test("note 17: a local step has the gid to itself: what else happens meanwhile is journaled after it, and no flush waits for user code", async () => {
  const { promise: inside, resolve: entered } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const slow = saga("slow", async (tx) => {
    await tx.sql("hold", async (db) => {
      await db.execute("select 1", []);
      entered();
      await released;
    }, { undo: "nothing" });
    return "held";
  });
  const second = await createTripact({ store: postgresStore({ url: database.url }), definitions: [slow, purchase], nodeName: "second" });
  try {
    const held = second.run(slow, null, { gid: "slow" });
    await inside;
    // The other transactions of the same coordinator do not wait for the one that is held.
    assert.equal((await second.run(purchase, { id: "d" })).kind, "committed");
    const cancelled = second.cancel("slow", "a test");
    release();
    // The cancel comes after the step that was under way, and before the decision: it wins.
    assert.equal((await cancelled).kind, "rolled-back");
    assert.equal((await held).kind, "rolled-back");
    const [entry] = await rows("select string_agg(entry, ' ' order by seq) as story from tripact.entry where gid = 'slow'");
    assert.match(String(entry?.["story"]), /"done".*"roll-back-requested"/);
  } finally {
    await second.stop();
  }
});

test("a commit that tells the node is all that a start inside it needs", async () => {
  // No timer of this node ever leads to a look, and its poll is an hour away.
  const deaf: Clock = { ...systemClock, after: (ms, run) => (LOOKS_MS.includes(ms) ? () => undefined : systemClock.after(ms, run)) };
  const node = await createTripact({ store: postgresStore({ url: database.url }), definitions: [purchase], pollEveryMs: 3_600_000, clock: deaf });
  await tripact.stop();
  try {
    await waking(pgTransactions(pool), node)((db) => node.start(db, purchase, { id: "w" }, { gid: "in-w" }));
    assert.equal((await node.run(purchase, { id: "w" }, { gid: "in-w" })).kind, "committed");
  } finally {
    await node.stop();
    tripact = await openNode();
  }
});

test("a transaction started inside the caller's own SQL transaction starts with its commit, and never without", async () => {
  const inTransaction = pgTransactions(pool);
  await inTransaction(async (db: SqlExecutor) => {
    await db.execute("insert into orders (id, state) values ('own', 'new')", []);
    assert.deepEqual(await tripact.start(db, purchase, { id: "e" }, { gid: "in-e" }), { gid: "in-e", attached: false });
  });
  const outcome = await tripact.run(purchase, { id: "e" }, { gid: "in-e" });
  assert.equal(outcome.kind, "committed");
  await assert.rejects(
    inTransaction(async (db: SqlExecutor) => {
      await tripact.start(db, purchase, { id: "f" }, { gid: "in-f" });
      throw new Error("the caller changes its mind");
    }),
    /changes its mind/,
  );
  // Two starts in one SQL transaction: nobody else sees the first yet.
  await inTransaction(async (db: SqlExecutor) => {
    await tripact.start(db, purchase, { id: "h" }, { gid: "in-h" });
    assert.deepEqual(await tripact.start(db, purchase, { id: "h" }, { gid: "in-h" }), { gid: "in-h", attached: true });
    await assert.rejects(tripact.start(db, purchase, { id: "i" }, { gid: "in-h" }), { code: "conflicting-gid" });
  });
  assert.equal((await tripact.run(purchase, { id: "h" }, { gid: "in-h" })).kind, "committed");
  assert.deepEqual(await tripact.outcome("in-f"), { kind: "never-started", gid: "in-f" });
  assert.deepEqual(await rows("select * from orders where id = 'f'"), []);
});
