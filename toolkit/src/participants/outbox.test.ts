import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { TripactError } from "../protocol/errors.ts";
import { migrate } from "../stores/postgres/migrate.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { migrateBarrier } from "./migrate.ts";
import { send } from "./outbox.ts";
import { pgTransactions } from "./transaction.ts";
import { uuidV7 } from "./uuid-v7.ts";

const database = await freshDatabase("outbox");
const pool = new Pool({ connectionString: database.url, max: 4 });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await migrate(database.url);

async function rowsOf(topic: string): Promise<readonly Record<string, unknown>[]> {
  const { rows } = await pool.query("select id, key, payload, headers from tripact.outbox where topic = $1 order by seq", [topic]);
  return rows;
}

function says(code: string, words = /./): (error: unknown) => boolean {
  return (error) => error instanceof TripactError && error.code === code && words.test(error.message);
}

test("a message is in the outbox if, and only if, its transaction commits", async () => {
  const message = { topic: "order.placed", key: "o1", payload: { id: "o1", odd: "\u0000\ud800" }, headers: { source: "shop" } };
  const id = await open((db) => send(db, message));
  await assert.rejects(
    open(async (db) => {
      await send(db, message);
      throw new Error("payment failed");
    }),
    /payment failed/,
  );
  const rows = await rowsOf("order.placed");
  assert.deepEqual(rows.map((row) => [row.id, row.key]), [[id, "o1"]]);
  assert.deepEqual(JSON.parse(String(rows[0]?.payload)), message.payload);
  assert.deepEqual(JSON.parse(String(rows[0]?.headers)), message.headers);
});

test("many are one statement, keep their order, and get an id each", async () => {
  const statements: string[] = [];
  const messages = Array.from({ length: 1_000 }, (_, n) => ({ topic: "many", key: `k${n % 7}`, payload: n }));
  const ids = await open((db) => {
    const counted: SqlExecutor = { execute: (text, values) => (statements.push(text), db.execute(text, values)) };
    return send(counted, messages);
  });
  assert.equal(statements.length, 1);
  assert.deepEqual((await rowsOf("many")).map((row) => [row.id, Number(row.payload)]), ids.map((id, n) => [id, n]));
  assert.equal(new Set(ids).size, 1_000);
  assert.deepEqual(await open((db) => send(db, [])), []);
});

test("note 34: send refuses a transaction whose settings promise less than was declared, and writes nothing", async () => {
  const message = { topic: "durable", key: "k", payload: 1 };
  const at = (level: string, durability: "strict" | "replicated"): Promise<string> =>
    open(async (db) => {
      await db.execute("select set_config('synchronous_commit', $1, true)", [level]);
      return send(db, message, { durability });
    });
  await assert.rejects(at("off", "strict"), says("durability-refused", /synchronous_commit is 'off'.*remote_write/));
  await assert.rejects(at("local", "replicated"), says("durability-refused", /synchronous_commit is 'local'/));
  await assert.rejects(at("on", "replicated"), says("durability-refused", /synchronous_standby_names is ''/));
  // Caught and committed all the same: still nothing.
  await open(async (db) => {
    await db.execute("set local synchronous_commit = off", []);
    await assert.rejects(send(db, message), says("durability-refused"));
  });
  assert.deepEqual(await rowsOf("durable"), []);
  await at("local", "strict");
  assert.equal((await rowsOf("durable")).length, 1);
});

test("bad input is refused before anything is written", async () => {
  const good = { topic: "bad", key: "k", payload: 1 };
  const circle: unknown[] = [];
  circle.push(circle);
  const bad: readonly [unknown, string, RegExp][] = [
    [{ ...good, topic: "" }, "invalid-input", /messages\[1\]\.topic/],
    [{ ...good, topic: "a\nb" }, "invalid-input", /topic/],
    [{ ...good, key: "k".repeat(513) }, "invalid-input", /key/],
    [{ ...good, key: 7 }, "invalid-input", /key/],
    [{ ...good, payload: circle }, "invalid-input", /payload/],
    [{ ...good, payload: { when: undefined } }, "invalid-input", /payload\.when/],
    [{ ...good, payload: "x".repeat(1_048_576) }, "too-large", /payload/],
    [{ ...good, headers: { n: 1 } }, "invalid-input", /headers\.n/],
    [{ ...good, headers: { n: "x".repeat(20_000) } }, "too-large", /headers/],
  ];
  for (const [message, code, words] of bad) {
    await assert.rejects(open((db) => send(db, [good, message as typeof good])), says(code, words));
  }
  await assert.rejects(open((db) => send(db, Array.from({ length: 10_001 }, () => good))), says("invalid-input", /10001/));
  assert.deepEqual(await rowsOf("bad"), []);
});

test("ids are UUIDv7: their time leads, the rest is random", () => {
  const id = uuidV7(0x0123_4567_89ab);
  assert.match(id, /^01234567-89ab-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.ok(uuidV7(1_000) < uuidV7(1_001));
  assert.notEqual(uuidV7(1), uuidV7(1));
});

test("the store's tables and the participant's share a database", async () => {
  assert.deepEqual(await open(migrateBarrier), ["0001-barrier", "0002-inbox", "0003-choreography"]);
  assert.deepEqual(await migrate(database.url), []);
});

test("payloads are inferred, and what JSON would lose does not compile", () => {
  interface Placed {
    readonly id: string;
  }
  const typed = async (db: SqlExecutor, placed: Placed): Promise<void> => {
    const one: string = await send(db, { topic: "t", key: "k", payload: placed });
    const many: readonly string[] = await send(db, [{ topic: "t", key: "k", payload: placed }]);
    const mixed: readonly string[] = await send(db, [{ topic: "t", key: "k", payload: 1 }, { topic: "t", key: "k", payload: "a" }]);
    // @ts-expect-error a Date does not come back as one
    await send(db, { topic: "t", key: "k", payload: new Date() });
    // @ts-expect-error a bigint has no JSON form
    await send(db, { topic: "t", key: "k", payload: { cents: 1n } });
    void [one, many, mixed];
  };
  assert.equal(typeof typed, "function");
});

test("a transaction that has failed, has ended or only reads, and a database without an outbox, are told at the call", async () => {
  const message = { topic: "misuse", key: "k", payload: 1 };
  await assert.rejects(
    open(async (db) => {
      await db.execute("select 1/0", []).catch(() => undefined);
      await send(db, message);
    }),
    says("outbox-misuse", /a statement had failed/),
  );
  await assert.rejects(
    open(async (db) => {
      await db.execute("set transaction read only", []);
      await send(db, message);
    }),
    says("outbox-misuse", /only reads/),
  );
  let kept: SqlExecutor | undefined;
  await open(async (db) => {
    kept = db;
    await Promise.resolve();
  });
  await assert.rejects(send(kept as SqlExecutor, message), says("barrier-misuse", /has ended/));
  const nothing: unknown = {};
  await assert.rejects(send(nothing as SqlExecutor, message), says("invalid-input", /transaction/));
  const elsewhere = await freshDatabase("no_outbox");
  const other = new Pool({ connectionString: elsewhere.url, max: 1 });
  try {
    await assert.rejects(pgTransactions(other)((db) => send(db, message)), says("schema-mismatch", /no outbox.*migrate/));
  } finally {
    await other.end();
    await elsewhere.drop();
  }
  assert.deepEqual(await rowsOf("misuse"), []);
});
