import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { afterCommand, freshDatabase, startProxy } from "@tripact/testbed";
import pg from "pg";
import { TripactError } from "../../protocol/errors.ts";
import { entryOf, messageOf, readOne, startOf, write } from "../conformance.ts";
import type { SqlExecutor } from "../sql.ts";
import { sqlStateOf } from "./outcome.ts";
import { migrate, postgresStore } from "./store.ts";

const database = await freshDatabase("local_sql");
await migrate(database.url);
const store = postgresStore({ url: database.url });
await store.connect();
const client = new pg.Client({ connectionString: database.url });
await client.connect();
await client.query("create table sale (gid text, note text, unique (note))");
after(async () => {
  await store.close();
  await client.end();
  await database.drop();
});

const { localSql } = store;
assert.ok(localSql);

async function started(): Promise<{ owner: string; gid: string }> {
  const owner = randomUUID();
  const start = startOf({ definition: `purchase-${randomUUID()}` });
  assert.deepEqual(await write(store, owner, [start]), ["applied"]);
  return { owner, gid: start.gid };
}

const sell = (gid: string, note: string = randomUUID()) => async (db: SqlExecutor): Promise<string> => {
  await db.execute("insert into sale (gid, note) values ($1, $2)", [gid, note]);
  return note;
};
const sealed = (gid: string, seq = 2, flushId: string = randomUUID()) => (result: string) => ({ flushId, write: entryOf(gid, seq, { entry: JSON.stringify([result]) }) });

async function sales(gid: string): Promise<number> {
  return (await client.query("select from sale where gid = $1", [gid])).rowCount ?? 0;
}

const executor = (connection: pg.Client): SqlExecutor => ({ execute: (text, values) => connection.query(text, [...values]) });

test("business write and journal entry commit together, or not at all", async () => {
  const { owner, gid } = await started();
  const { verdict, result } = await localSql.run(owner, sell(gid), sealed(gid));
  assert.deepEqual([verdict, await sales(gid), (await readOne(store, gid)).entries[1]?.entry], ["applied", 1, JSON.stringify([result])]);
  assert.equal((await localSql.run(owner, sell(gid), sealed(gid))).verdict, "reload", "seq 2 is taken");
  assert.equal((await localSql.run(randomUUID(), sell(gid), sealed(gid, 3))).verdict, "fenced");
  assert.equal(await sales(gid), 1);
  await assert.rejects(
    localSql.run(owner, async (db) => { await sell(gid)(db); throw new Error("changed my mind"); }, sealed(gid, 3)),
    /changed my mind/,
  );
  assert.deepEqual([await sales(gid), (await readOne(store, gid)).seq], [1, 2]);
});

test("a statement that failed inside the body fails the step with the driver's own error, even if the body swallowed it", async () => {
  const { owner, gid } = await started();
  await localSql.run(owner, sell(gid, "taken"), sealed(gid));
  const swallow = async (db: SqlExecutor): Promise<string> => {
    await sell(gid, "taken")(db).catch(() => {});
    return "fine";
  };
  await assert.rejects(localSql.run(owner, swallow, sealed(gid, 3)), { code: "23505" });
  const recover = async (db: SqlExecutor): Promise<string> => {
    await db.execute("savepoint before", []);
    await sell(gid, "taken")(db).catch(() => {});
    await db.execute("rollback to savepoint before", []);
    return "fine";
  };
  assert.equal((await localSql.run(owner, recover, sealed(gid, 3))).verdict, "applied", "a savepoint saves it");
});

test("note 17: a flush of the same transaction does not wait for the body of a local step", async () => {
  const { owner, gid } = await started();
  const other = await started();
  const inBody = Promise.withResolvers<void>();
  const leaveBody = Promise.withResolvers<void>();
  const step = localSql.run(
    owner,
    async (db) => {
      await sell(gid)(db);
      inBody.resolve();
      await leaveBody.promise;
      return "slow";
    },
    sealed(gid),
  );
  await inBody.promise;
  const both = [entryOf(gid, 2), entryOf(other.gid, 2)].toSorted((one, two) => (one.gid < two.gid ? -1 : 1));
  const verdicts = await write(store, owner, both);
  assert.equal(verdicts[both.findIndex((entry) => entry.gid === gid)], "applied", "the header was not locked by the body");
  leaveBody.resolve();
  assert.equal((await step).verdict, "reload", "the flush won the sequence; the business write is rolled back");
  assert.equal(await sales(gid), 0);
});

test("note 17: the seal waits for a locked header only so long, and takes the business write back", async () => {
  const { owner, gid } = await started();
  await client.query("begin");
  await client.query("select from tripact.transaction where gid = $1 for update", [gid]);
  // 55P03: lock_timeout, not the ten seconds of statement_timeout.
  await assert.rejects(localSql.run(owner, sell(gid), sealed(gid)), (error) => error instanceof TripactError && error.code === "store-unreachable" && sqlStateOf(error.cause) === "55P03");
  await client.query("rollback");
  assert.equal(await sales(gid), 0);
  assert.equal((await localSql.run(owner, sell(gid), sealed(gid))).verdict, "applied");
});

test("note 17: when the reply of the commit is lost, doing it again settles it: one of the two wins", async () => {
  const target = new URL(database.url);
  const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const shaky = postgresStore({ url: url.href });
  await shaky.connect();
  try {
    const { owner, gid } = await started();
    const cut = proxy.cutAfter(afterCommand(/^COMMIT$/));
    await assert.rejects(shaky.localSql!.run(owner, sell(gid), sealed(gid)), { code: "store-unknown" });
    await cut;
    assert.equal((await shaky.localSql!.run(owner, sell(gid), sealed(gid))).verdict, "reload");
    assert.deepEqual([await sales(gid), (await readOne(store, gid)).seq], [1, 2]);
  } finally {
    await shaky.close();
    await proxy.close();
  }
});

test("note 34: a body that lowers synchronous_commit, or raises the isolation, is refused and rolled back", async () => {
  const { owner, gid } = await started();
  const lowered = async (db: SqlExecutor): Promise<string> => {
    await db.execute("set local synchronous_commit = off", []);
    return sell(gid)(db);
  };
  await assert.rejects(localSql.run(owner, lowered, sealed(gid)), { code: "durability-refused", message: /synchronous_commit = off/ });
  const ended = async (db: SqlExecutor): Promise<string> => {
    await db.execute("commit", []);
    await db.execute("begin isolation level serializable", []);
    return "ended";
  };
  await assert.rejects(localSql.run(owner, ended, sealed(gid)), { code: "barrier-misuse" });
  assert.deepEqual([await sales(gid), (await readOne(store, gid)).seq], [0, 1]);
});

test("the body's executor is dead once the body has ended", async () => {
  const { owner, gid } = await started();
  let kept: SqlExecutor | undefined;
  await localSql.run(owner, async (db) => { kept = db; return "x"; }, sealed(gid));
  assert.ok(kept);
  await assert.rejects(kept.execute("select 1", []), { code: "barrier-misuse" });
});

test("a start inside the caller's own transaction is claimed after its commit, and never was after its rollback", async () => {
  const kept = startOf({ definition: `started-in-${randomUUID()}`, messages: [messageOf({ topic: "started-in" })] });
  const undone = startOf();
  await client.query("begin");
  assert.equal(await localSql.startIn(executor(client), undone), "started");
  await client.query("rollback");
  await client.query("begin");
  await client.query("insert into sale (gid, note) values ($1, $1)", [kept.gid]);
  assert.equal(await localSql.startIn(executor(client), kept), "started");
  const heir = randomUUID();
  const claim = () => store.journal.claim({ claimId: randomUUID(), owner: heir, from: [], runs: [{ definition: kept.definition, version: "1" }], limit: 10 });
  assert.deepEqual(await claim(), []);
  await client.query("commit");
  assert.deepEqual(await claim(), [kept.gid]);
  const { owner, epoch, entries } = await readOne(store, kept.gid);
  assert.deepEqual([owner, epoch, entries.map(({ owner: who, entry }) => [who, entry])], [heir, 1, [[null, kept.entry]]]);
  assert.deepEqual(await write(store, heir, [entryOf(kept.gid, 2)]), ["applied"]);
  assert.equal((await client.query("select from tripact.outbox where topic = 'started-in'")).rowCount, 1);
  assert.deepEqual(await store.journal.read([undone.gid]), []);
});

test("note 32: of two starts of one gid, the loser waits for the winner's commit and is told by what the gid is taken", async () => {
  const start = startOf();
  const late = startOf();
  await store.journal.post(late.gid, "{}");
  await client.query("begin");
  assert.equal(await localSql.startIn(executor(client), start), "started");
  const loser = write(store, randomUUID(), [start]);
  await client.query("commit");
  assert.deepEqual(await loser, ["exists"]);
  assert.deepEqual(await localSql.startIn(executor(client), start), { definition: start.definition, inputHash: start.inputHash });
  assert.equal(await localSql.startIn(executor(client), late), "never-started");
});

test("notes 34 and 35: a start is refused in another database, below the durability, or above read committed; nothing is written", async () => {
  const elsewhere = await freshDatabase("elsewhere");
  await migrate(elsewhere.url);
  const stranger = new pg.Client({ connectionString: elsewhere.url });
  await stranger.connect();
  const start = startOf();
  const attempt = async (connection: pg.Client, begin: string): Promise<void> => {
    await connection.query(begin);
    try {
      await localSql.startIn(executor(connection), start);
    } finally {
      await connection.query("commit");
    }
  };
  try {
    await assert.rejects(attempt(stranger, "begin"), { code: "not-supported", message: /another database/ });
    await assert.rejects(attempt(client, "begin; set local synchronous_commit = off"), { code: "durability-refused" });
    await assert.rejects(attempt(client, "begin isolation level repeatable read"), { code: "not-supported", message: /repeatable read/ });
    assert.deepEqual(await store.journal.read([start.gid]), []);
    assert.equal((await stranger.query("select from tripact.transaction")).rowCount, 0);
  } finally {
    await stranger.end();
    await elsewhere.drop();
  }
});
