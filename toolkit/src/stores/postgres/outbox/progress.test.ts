import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { send } from "../../../participants/outbox.ts";
import { pgTransactions } from "../../../participants/transaction.ts";
import { LANES } from "../../outbox-log.ts";
import { migrate } from "../migrate.ts";
import { positionOf } from "./cursor.ts";
import { postgresOutboxLog } from "./log.ts";

const database = await freshDatabase("progress");
const pool = new Pool({ connectionString: database.url, max: 2 });
const log = postgresOutboxLog({ url: database.url });
after(async () => {
  await log.close();
  await pool.end();
  await database.drop();
});
await migrate(database.url);
await log.connect();
const open = pgTransactions(pool);
const all = Array.from({ length: LANES }, (_, lane) => lane);

async function node(): Promise<string> {
  const incarnation = randomUUID();
  await log.membership.join({ incarnation, name: "test", runs: [] });
  return incarnation;
}

/** Which partition new messages go to: the clock's otherwise, so that a test would hang on the hour that it runs in. */
const writeTo = (slot: number) => pool.query(`create or replace function tripact.outbox_slot() returns smallint language sql volatile return ${slot}::smallint`);
await writeTo(1);

const count = async (table: string): Promise<number> => Number((await pool.query(`select count(*) from ${table}`)).rows[0].count);

test("cursors are appended; folded into the lanes' rows they stand where they stood, and what was folded goes", async () => {
  const subscription = "s";
  const owner = await node();
  const lanes = await log.lanes.claim({ subscription, owner, lanes: all });
  const some = lanes.filter(({ lane }) => lane < 10);
  let cursor = lanes[0]?.cursor ?? "";
  let early = "";
  for (let n = 0; n < 5; n += 1) {
    await open((db) => send(db, { topic: "t", key: `k${n}`, payload: n }));
    ({ cursor } = await log.messages.read({ lanes: all, cursor, limit: 10 }));
    // Ten lanes come along for the first two steps only.
    const moved = n < 2 ? lanes : lanes.filter((lane) => !some.includes(lane));
    assert.equal((await log.messages.settle({ subscription, owner, lanes: moved, cursor, copies: [] })).length, moved.length);
    if (n === 1) early = cursor;
  }
  const stands = async (): Promise<readonly string[]> =>
    (await pool.query("select distinct (lane < 10)::text || ' ' || seen as stands from tripact.outbox_position order by 1")).rows.map(({ stands: it }) => String(it));
  const expected = [`false ${positionOf(cursor).seen}`, `true ${positionOf(early).seen}`];
  assert.deepEqual(await stands(), expected);
  assert.equal(await count("tripact.outbox_progress"), 5);

  await log.messages.tidy(0);
  assert.equal(await count("tripact.outbox_progress"), 0);
  assert.deepEqual(await stands(), expected);

  await log.membership.fence(owner);
  const heir = await node();
  const taken = await log.lanes.claim({ subscription, owner: heir, lanes: all });
  assert.deepEqual([...new Set(taken.map((lane) => positionOf(lane.cursor).seen))].toSorted(), [positionOf(cursor).seen, positionOf(early).seen].toSorted());
  assert.deepEqual(await log.messages.settle({ subscription, owner, lanes, cursor, copies: [] }), [], "the old owner moves nothing any more");

  // What it appended at the very moment of the claim, unseen by it, counts for nobody.
  const claimed = await stands();
  await pool.query("insert into tripact.outbox_progress (subscription, owner, lanes, seen) values ($1, $2, $3, '999999:999999:')", [subscription, owner, all]);
  assert.deepEqual(await stands(), claimed);
});

test("a partition whose time is over is emptied when every subscription has settled it, whatever an idle writer elsewhere does", async () => {
  const elsewhere = await freshDatabase("idle_writer");
  const writer = new Pool({ connectionString: elsewhere.url, max: 1 });
  const busy = await writer.connect();
  const other = postgresOutboxLog({ url: database.url });
  try {
    await busy.query("create table idle (n int)");
    await busy.query("begin");
    await busy.query("insert into idle values (1)");
    await writeTo(3);
    const owner = await node();
    const lanes = await log.lanes.claim({ subscription: "emptying", owner, lanes: all });
    await pool.query("delete from tripact.outbox_lane where subscription <> 'emptying'");
    await open((db) => send(db, { topic: "t", key: "k", payload: "settled" }));
    const page = await log.messages.read({ lanes: all, cursor: lanes[0]?.cursor ?? "", limit: 100 });
    await log.messages.settle({ subscription: "emptying", owner, lanes, cursor: page.cursor, copies: [] });
    // Another log object folds at once; ours did so less than a minute ago.
    await other.connect();
    await other.messages.tidy(0);
    assert.equal(await count("tripact.outbox_03"), 1, "its time is not over");
    await writeTo(4);
    await other.messages.tidy(3_600_000);
    assert.equal(await count("tripact.outbox_03"), 1, "its messages are kept for an hour");
    await other.messages.tidy(0);
    assert.equal(await count("tripact.outbox_03"), 0);

    await pool.query("insert into tripact.outbox (id, topic, key, payload, slot) values (gen_random_uuid(), 't', 'k', '1', 5)");
    await log.messages.tidy(0);
    assert.equal(await count("tripact.outbox_05"), 1, "nobody has settled this one");
  } finally {
    await other.close();
    busy.release(true);
    await writer.end();
    await elsewhere.drop();
  }
});
