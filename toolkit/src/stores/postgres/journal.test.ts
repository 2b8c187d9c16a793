import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { afterCommand, freshDatabase, startProxy } from "@tripact/testbed";
import pg from "pg";
import { TripactError } from "../../protocol/errors.ts";
import { endedSummary, entryOf, gidOf, messageOf, openSummary, readOne, startOf, write } from "../conformance.ts";
import type { Store, Write } from "../store.ts";
import { pinnedPlans, writeStatement } from "./flush.ts";
import { migrate, postgresStore } from "./store.ts";

const database = await freshDatabase("journal");
await migrate(database.url);
const store = postgresStore({ url: database.url });
await store.connect();
const pool = new pg.Pool({ connectionString: database.url });
after(async () => {
  await store.close();
  await pool.end();
  await database.drop();
});

async function started(some: { definition?: string; owner?: string } = {}): Promise<{ owner: string; gid: string; definition: string }> {
  const { owner = randomUUID(), definition = `purchase-${randomUUID()}` } = some;
  const start = startOf({ definition });
  assert.deepEqual(await write(store, owner, [start]), ["applied"]);
  return { owner, gid: start.gid, definition };
}

async function count(text: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await pool.query<{ count: string }>(text, [...values]);
  return Number(rows[0]?.count);
}

const entriesOf = async (gid: string): Promise<number> => count("select count(*) from tripact.entry where gid = $1", [gid]);

test("note 1: a flush whose reply was lost is unknown, and the same flush written again finds itself applied", async () => {
  const { hostname: host, port } = new URL(database.url);
  const proxy = await startProxy({ target: { host, port: Number(port) } });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const shaky = postgresStore({ url: url.href });
  await shaky.connect();
  const { owner, gid } = await started();
  try {
    // The store's own looks at the server may meet the cut first; then it is armed again.
    for (let seq = 2; ; seq += 1) {
      assert.ok(seq < 20, "no flush met the cut");
      const batch = { flushId: randomUUID(), owner, writes: [entryOf(gid, seq)] };
      const cut = proxy.cutAfter(afterCommand(/^INSERT 0 1$/));
      const first = await shaky.journal.write(batch).catch((error: unknown) => error);
      await cut;
      if (!(first instanceof TripactError)) continue;
      assert.equal(first.code, "store-unknown");
      assert.equal(await entriesOf(gid), seq - 1, "it was committed");
      assert.deepEqual(await shaky.journal.write(batch), ["applied"]);
      assert.equal(await entriesOf(gid), seq - 1, "and not a second time");
      assert.deepEqual(await shaky.journal.write({ ...batch, flushId: randomUUID() }), ["reload"], "without its id it would not know");
      break;
    }
  } finally {
    await shaky.close();
    await proxy.close();
  }
});

test("note 1: a claim whose reply was lost is repeated under its id, and says what it took", async () => {
  const { hostname: host, port } = new URL(database.url);
  const proxy = await startProxy({ target: { host, port: Number(port) } });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const shaky = postgresStore({ url: url.href });
  await shaky.connect();
  const heir = { incarnation: randomUUID(), name: "heir", runs: [] };
  await store.membership.join(heir);
  try {
    const { gid, definition } = await started();
    const claim = { claimId: randomUUID(), owner: heir.incarnation, from: [], runs: [{ definition, version: "1" }], limit: 10 };
    const cut = proxy.cutAfter(afterCommand(/^UPDATE 1$/));
    await assert.rejects(shaky.journal.claim(claim), { code: "store-unknown" });
    await cut;
    assert.deepEqual(await shaky.journal.claim({ ...claim, claimId: randomUUID() }), [], "nobody else's any more");
    assert.deepEqual(await shaky.journal.claim(claim), [gid]);
    assert.equal((await readOne(store, gid)).owner, heir.incarnation);
  } finally {
    await store.membership.leave(heir.incarnation);
    await shaky.close();
    await proxy.close();
  }
});

test("note 3: fence and write are one chain: a flush that waits behind a takeover leaves nothing when that commits", async () => {
  const { owner, gid } = await started();
  const heir = randomUUID();
  const afterTakeover = async (stale: () => Promise<unknown>): Promise<unknown> => {
    const takeover = await pool.connect();
    try {
      await takeover.query("begin");
      await takeover.query("update tripact.transaction set owner = $2, epoch = epoch + 1 where gid = $1", [gid, heir]);
      const flushed = stale();
      await untilBlocked();
      await takeover.query("commit");
      return await flushed;
    } finally {
      takeover.release();
    }
  };
  const decision = entryOf(gid, 2, { summary: endedSummary, messages: [messageOf({ topic: gid })] });
  assert.deepEqual(await afterTakeover(() => write(store, owner, [decision])), ["fenced"]);
  assert.equal(await entriesOf(gid), 0);
  assert.equal(await count("select count(*) from tripact.outbox where topic = $1", [gid]), 0);
  assert.equal((await readOne(store, gid)).owner, heir);

  // The control: a fence that only reads, with the entry inserted from the input. The stale entry is in.
  await afterTakeover(() =>
    pool.query(
      `with fence as (select gid from tripact.transaction where gid = $1 and owner = $2), touch as (update tripact.transaction set seq = seq where gid = $1)
       insert into tripact.entry (gid, seq, epoch, owner, entry) select $1, 2, 2, $2, '[]' from fence`,
      [gid, heir],
    ),
  );
  assert.equal(await entriesOf(gid), 1, "the broken variant must be seen to break");
});

async function untilBlocked(): Promise<void> {
  for (let looks = 0; looks < 2_000; looks += 1) {
    if ((await count("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'", [])) > 0) return;
  }
  assert.fail("nobody waits for the row");
}

test("note 18: flushes and takeovers lock rows in gid order, so that no two can deadlock", async () => {
  const definition = `ordered-${randomUUID()}`;
  const owner = randomUUID();
  const gids = Array.from({ length: 3 }, () => gidOf("order")).toSorted();
  await write(store, owner, gids.map((gid) => startOf({ gid, definition })));
  const blocker = await pool.connect();
  /** Which rows another session could lock, while `work` waits for the middle one. */
  const freeDuring = async (work: () => Promise<unknown>): Promise<readonly string[]> => {
    await blocker.query("begin");
    await blocker.query("select from tripact.transaction where gid = $1 for update", [gids[1]]);
    const working = work();
    await untilBlocked();
    const { rows } = await pool.query<{ gid: string }>("select gid from tripact.transaction where gid = any ($1) for update skip locked", [gids]);
    await blocker.query("rollback");
    await working;
    return rows.map(({ gid }) => gid);
  };
  try {
    assert.deepEqual(await freeDuring(() => write(store, owner, gids.map((gid) => entryOf(gid, 2)))), gids.slice(2));
    // A claim waits for a moment only; on a slow machine our look may come after it.
    let free: readonly string[] = [];
    for (let tries = 0; tries < 5 && free.join() !== gids[2]; tries += 1) {
      const claim = { claimId: randomUUID(), owner: randomUUID(), from: [], runs: [{ definition, version: "1" }], limit: 3 };
      free = await freeDuring(() => store.journal.claim(claim));
    }
    assert.deepEqual(free, gids.slice(2));
  } finally {
    blocker.release();
  }
});

test("note 18: a row that the schema refuses is named as the data's fault, and the half without it is written", async () => {
  const owner = randomUUID();
  const good = startOf();
  const bad: Write = startOf({ summary: { ...openSummary, status: "committed" } });
  const batch = [good, bad].toSorted((one, two) => (one.gid < two.gid ? -1 : 1));
  await assert.rejects(write(store, owner, batch), { code: "store-bad-row" });
  await assert.rejects(write(store, owner, [bad]), { code: "store-bad-row" });
  assert.deepEqual(await write(store, owner, [good]), ["applied"], "the batch left nothing behind");
});

test("messages leave with the decision: once, in their order, and never when it was fenced or the start was not first", async () => {
  const { owner, gid } = await started();
  const messages = ["a", "b", "c"].map((payload) => messageOf({ topic: gid, payload: JSON.stringify(payload) }));
  const flush = { flushId: randomUUID(), owner, writes: [entryOf(gid, 2, { messages })] };
  await store.journal.write(flush);
  await store.journal.write(flush);
  await write(store, randomUUID(), [entryOf(gid, 3, { messages })]);
  const start = startOf({ messages: [messageOf({ topic: gid, payload: '"d"' })] });
  await write(store, owner, [start]);
  await write(store, owner, [start]);
  const { rows } = await pool.query<{ payload: string }>("select payload from tripact.outbox where topic = $1 order by seq", [gid]);
  assert.deepEqual(rows.map(({ payload }) => payload), ['"a"', '"b"', '"c"', '"d"']);
});

test("the hot statement finds its rows by primary key, whatever the statistics say", async () => {
  const plans = await freshDatabase("plans");
  await migrate(plans.url);
  const client = new pg.Client({ connectionString: plans.url });
  await client.connect();
  try {
    const explain = async (when: string): Promise<void> => {
      const session = new pg.Client({ connectionString: plans.url });
      await session.connect();
      for (const setting of pinnedPlans) await session.query(setting);
      const entry = entryOf(gidOf("a"), 2);
      for (const writes of [[entry], [entry, startOf({ gid: gidOf("b") })], [{ ...entry, messages: [messageOf()] }]]) {
        const { name, text, values = [] } = writeStatement({ flushId: randomUUID(), owner: randomUUID(), writes });
        await session.query(`prepare ${name} as ${text}`);
        // A generic plan knows no values.
        const { rows } = await session.query<{ "QUERY PLAN": string }>(`explain execute ${name} (${values.map(() => "null").join(", ")})`);
        const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
        assert.match(plan, /Bitmap Index Scan on transaction_pkey.*\n\s+Index Cond: \(gid = /, `${name}, ${when}:\n${plan}`);
        assert.doesNotMatch(plan, /Seq Scan|Hash Join|Merge Join|Index Scan (using|on) transaction_(open|age|unread)/, `${name}, ${when}:\n${plan}`);
      }
      await session.end();
    };
    const fill = async (rows: number): Promise<unknown> =>
      client.query(
        `insert into tripact.transaction (gid, definition, version, input_hash, input, opening, epoch, seq, status, late, owner)
         select gen_random_uuid(), 'd', '1', 'h', '{}', '[]', 1, 1, 'forward', false, '00000000-0000-0000-0000-000000000001' from generate_series(1, $1)`,
        [rows],
      );
    await explain("never analyzed");
    await client.query("vacuum analyze tripact.transaction");
    await explain("analyzed when empty");
    await fill(3);
    await client.query("vacuum analyze tripact.transaction");
    await explain("analyzed with three rows");
    await fill(5_000);
    await explain("5,003 rows, statistics of three");
    await client.query("vacuum analyze tripact.transaction");
    await explain("5,003 rows, fresh statistics");
  } finally {
    await client.end();
    await plans.drop();
  }
});

test("entries update the header in place: no index grows while a transaction is open", async () => {
  const owner = randomUUID();
  const gids = Array.from({ length: 50 }, () => gidOf("hot")).toSorted();
  await write(store, owner, gids.map((gid) => startOf({ gid })));
  const client = new pg.Client({ connectionString: database.url }); // its own counters
  await client.connect();
  try {
    await client.query("begin");
    const { text, values = [] } = writeStatement({ flushId: randomUUID(), owner, writes: gids.map((gid) => entryOf(gid, 2)) });
    await client.query(text, [...values]);
    const { rows } = await client.query<{ updated: string; hot: string }>(
      "select pg_stat_get_xact_tuples_updated(oid) as updated, pg_stat_get_xact_tuples_hot_updated(oid) as hot from pg_class where oid = 'tripact.transaction'::regclass",
    );
    assert.deepEqual(rows, [{ updated: "50", hot: "50" }]);
  } finally {
    await client.end();
  }
});

test("a store that was never connected, or is closed, says so", async () => {
  const unused: Store = postgresStore({ url: database.url });
  await assert.rejects(unused.journal.counts(), { code: "not-connected" });
  assert.equal(unused.health().state, "down");
  await unused.close();
  await assert.rejects(unused.journal.counts(), { code: "stopped" });
  await assert.rejects(unused.connect(), { code: "stopped" });
});

test("who asks how a transaction stands waits behind no takeover, and a takeover behind nobody who asks", async () => {
  const { gid, definition } = await started();
  const blocker = await pool.connect();
  try {
    await blocker.query("begin");
    await blocker.query("select from tripact.transaction where gid = $1 for update", [gid]);
    // A claim waits for a moment only: the session that looks is open before it, and a machine that stood still is asked again.
    await pool.query("select");
    let order: string[] = [];
    for (let tries = 0; tries < 5 && order[0] !== "read"; tries += 1) {
      const told: string[] = [];
      order = told;
      const done = (what: string) => () => void told.push(what);
      const claim = { claimId: randomUUID(), owner: randomUUID(), from: [], runs: [{ definition, version: "1" }], limit: 1 };
      const claiming = store.journal.claim(claim).then(done("claim"));
      const reading = store.journal.read([gid], "takeover").then(done("read for a takeover"));
      await untilBlocked();
      await store.journal.read([gid]).then(done("read"));
      await Promise.all([claiming, reading]);
    }
    assert.deepEqual(order, ["read", "claim", "read for a takeover"]);
  } finally {
    await blocker.query("rollback");
    blocker.release();
  }
});
