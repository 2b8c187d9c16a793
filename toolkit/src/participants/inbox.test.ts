import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { TripactError } from "../protocol/errors.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { postgresInbox } from "./inbox.ts";
import { migrateBarrier } from "./migrate.ts";
import { pgTransactions } from "./transaction.ts";

const database = await freshDatabase("inbox");
const pool = new Pool({ connectionString: database.url, max: 4 });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await open(migrateBarrier);
await pool.query("create table mail (message text)");
const inbox = postgresInbox();

let made = 0;
const delivery = (consumer = "mailer"): { source: string; id: string; consumer: string } => ({ source: "orders", id: `m${(made += 1)}`, consumer });

async function queueMail(db: SqlExecutor, id: string): Promise<string> {
  await db.execute("insert into mail values ($1)", [id]);
  return `mail for ${id}`;
}

async function mailsFor(id: string): Promise<number> {
  const { rows } = await pool.query("select count(*)::int as n from mail where message = $1", [id]);
  return Number(rows[0]?.n);
}

function says(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TripactError && error.code === code;
}

test("a delivery counts once", async () => {
  const one = delivery();
  const receive = (): Promise<unknown> => open((db) => inbox.once(db, one, () => queueMail(db, one.id)));
  assert.deepEqual(await receive(), { kind: "first", result: `mail for ${one.id}` });
  assert.deepEqual(await receive(), { kind: "repeated" });
  assert.equal(await mailsFor(one.id), 1);
});

test("each consumer gets it once, and the same id of another source is another message", async () => {
  const one = delivery();
  for (const other of [one, { ...one, consumer: "archive" }, { ...one, source: "payments" }]) {
    await open((db) => inbox.once(db, other, () => queueMail(db, one.id)));
  }
  assert.equal(await mailsFor(one.id), 3);
});

test("a consumer that fails has not received it", async () => {
  const one = delivery();
  const failing = open((db) =>
    inbox.once(db, one, async () => {
      await queueMail(db, one.id);
      throw new Error("template missing");
    }),
  );
  await assert.rejects(failing, /template missing/);
  const received = await open((db) => inbox.once(db, one, () => queueMail(db, one.id)));
  assert.equal(received.kind, "first");
  assert.equal(await mailsFor(one.id), 1);
});

test("of many at once one counts", async () => {
  const one = delivery();
  const received = await Promise.all(
    Array.from({ length: 8 }, () => open((db) => inbox.once(db, one, () => queueMail(db, one.id)))),
  );
  assert.equal(received.filter(({ kind }) => kind === "first").length, 1);
  assert.equal(await mailsFor(one.id), 1);
});

test("note 35: outside a transaction and above read committed nothing is executed", async () => {
  const one = delivery();
  const never = (): never => assert.fail("executed");
  const client = await pool.connect();
  try {
    const db: SqlExecutor = { execute: (text, values) => client.query(text, [...values]) };
    await assert.rejects(inbox.once(db, one, never), says("barrier-misuse"));
    await client.query("begin isolation level serializable");
    await assert.rejects(inbox.once(db, one, never), says("barrier-misuse"));
    await client.query("rollback");
  } finally {
    client.release();
  }
  assert.equal((await open((db) => inbox.once(db, one, async () => 1))).kind, "first");
});

test("a delivery without a name is refused", async () => {
  for (const bad of [{ ...delivery(), id: "" }, { ...delivery(), source: "a\0" }, { ...delivery(), consumer: "c".repeat(513) }]) {
    await assert.rejects(open((db) => inbox.once(db, bad, async () => 1)), says("invalid-input"));
  }
  assert.throws(() => postgresInbox({ rememberMs: 0 }), says("invalid-option"));
});

test("rows are remembered as long as was said", async () => {
  const [old, young] = [delivery(), delivery()];
  for (const one of [old, young]) await open((db) => inbox.once(db, one, async () => 1));
  const aged = await pool.query("update tripact.inbox set recorded_at = recorded_at - interval '14 days' where id = $1", [old.id]);
  assert.equal(aged.rowCount, 1);
  assert.equal(await open((db) => inbox.prune(db)), 1);
  const kindOf = async (one: typeof old): Promise<string> => (await open((db) => inbox.once(db, one, async () => 1))).kind;
  assert.deepEqual([await kindOf(old), await kindOf(young)], ["first", "repeated"]);
});
