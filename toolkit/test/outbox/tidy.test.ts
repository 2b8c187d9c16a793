import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { randomUUID } from "node:crypto";
import { freshDatabase } from "@tripact/testbed";
import { postgresOutboxLog } from "../../src/relay.ts";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { LANES } from "../../src/stores/outbox-log.ts";
import { eventually, openWriter } from "./scene.ts";

const database = await freshDatabase("tidy");
await migrate(database.url);
const [business, other, locker, clock] = await Promise.all([1, 2, 3, 4].map(() => openWriter(database.url)));
assert.ok(business !== undefined && other !== undefined && locker !== undefined && clock !== undefined);
const log = postgresOutboxLog({ url: database.url });
await log.connect();
const owner = randomUUID();
await log.membership.join({ incarnation: owner, name: "a relay", runs: [] });
after(async () => {
  await log.close();
  await Promise.all([business, other, locker, clock].map((writer) => writer.end()));
  await database.drop();
});

const NOW_AND_LATER = -1_000;

async function turnTo(slot: number): Promise<void> {
  await clock?.query(`create or replace function tripact.outbox_slot() returns smallint language sql volatile return ${slot}::smallint`);
}

async function settleAll(): Promise<void> {
  const lanes = Array.from({ length: LANES }, (_, lane) => lane);
  const claimed = await log.lanes.claim({ subscription: "reader", owner, lanes });
  let cursor = claimed[0]?.cursor ?? "";
  for (let more = true; more; ) ({ cursor, more } = await log.messages.read({ lanes, cursor, limit: 1_000 }));
  await log.messages.settle({ subscription: "reader", owner, lanes: claimed, cursor, copies: [] });
}

async function rowsIn(slot: number): Promise<number> {
  const [row] = (await clock?.query(`select count(*)::int as rows from tripact.outbox where slot = ${slot}`)) ?? [];
  return Number(row?.["rows"]);
}

beforeEach(async () => {
  await settleAll();
  for (const slot of [14, 15]) {
    await turnTo(slot);
    await log.messages.tidy(NOW_AND_LATER);
  }
});

test("note 36: business inserts work through all partitions, and round again, with no relay alive", async () => {
  for (let n = 0; n < 20; n += 1) {
    await turnTo(n % 16);
    await business.send("t", `k:${n}`);
  }
  for (let slot = 0; slot < 16; slot += 1) assert.equal(await rowsIn(slot), slot < 4 ? 2 : 1);
});

test("note 36: behind a long reader tidying gives up, and no insert waits for it", async () => {
  await turnTo(3);
  await business.send("t", "k:1");
  await turnTo(4);
  await settleAll();
  await other.begin();
  await other.query("select count(*) from tripact.outbox");
  assert.equal(await log.messages.tidy(NOW_AND_LATER), 0);
  // What tidying asks for, without its limit: the request stands in the queue for as long as the reader reads.
  await locker.begin();
  const locked = locker.query("lock table only tripact.outbox_03 in access exclusive mode");
  const waits = async (): Promise<boolean> => (await clock.query("select from pg_locks where relation = 'tripact.outbox_03'::regclass and not granted")).length === 1;
  await eventually("the request waits", waits);
  await business.query("set statement_timeout = 10000");
  await business.send("t", "k:2", "k:3");
  assert.equal(await waits(), true, "the insert is through, and the request still waits");
  await other.rollback();
  await locked;
  await locker.rollback();
  assert.equal(await log.messages.tidy(NOW_AND_LATER), 1);
  assert.deepEqual([await rowsIn(3), await rowsIn(4)], [0, 2]);
});

test("note 36: it rings when the whole table is locked for it: the insert waits as long as the reader reads", async () => {
  await turnTo(5);
  await other.begin();
  await other.query("select count(*) from tripact.outbox");
  await locker.begin();
  const locked = locker.query("lock table tripact.outbox in access exclusive mode");
  await eventually("the request waits", async () => (await clock.query("select from pg_locks where relation = 'tripact.outbox'::regclass and not granted")).length === 1);
  await business.query("set statement_timeout = 500");
  await assert.rejects(business.send("t", "k:4"), /statement timeout/);
  await other.rollback();
  await locked;
  await locker.rollback();
  await business.query("set statement_timeout = 10000");
});

test("note 36: a late writer keeps its partition, and nobody waits", async () => {
  await turnTo(6);
  await business.send("t", "k:5");
  await other.begin();
  await other.send("t", "k:6");
  await turnTo(7);
  await settleAll();
  assert.equal(await log.messages.tidy(NOW_AND_LATER), 0);
  await business.send("t", "k:7");
  await other.commit();
  assert.equal(await log.messages.tidy(NOW_AND_LATER), 0, "the late one is not settled yet");
  assert.equal(await rowsIn(6), 2);
  await settleAll();
  assert.equal(await log.messages.tidy(NOW_AND_LATER), 1);
  assert.deepEqual([await rowsIn(6), await rowsIn(7)], [0, 1]);
});

test("note 36: a late writer who commits while tidying waits for his partition loses nothing", async (t) => {
  await turnTo(8);
  await business.send("t", "k:8");
  let met = 0;
  for (let tries = 0; tries < 20 && met < 3; tries += 1) {
    await turnTo(8);
    await other.begin();
    const [id = ""] = await other.send("t", "k:9");
    await turnTo(9);
    await settleAll();
    const tidied = log.messages.tidy(NOW_AND_LATER);
    // It waits for 50 ms at most: on a busy machine some tries come too late, and show nothing.
    let waits = false;
    for (let looks = 0; looks < 20 && !waits; looks += 1) waits = (await clock.query("select from pg_locks where relation = 'tripact.outbox_08'::regclass and not granted")).length === 1;
    await other.commit();
    if ((await tidied) === 0 && waits) met += 1;
    assert.notEqual(await log.desk.find(id), undefined, "what nobody has read is there");
  }
  t.diagnostic(`met ${met} times`);
});
