import assert from "node:assert/strict";
import test, { after } from "node:test";
import { startPostgres, startSystemPostgres } from "@tripact/testbed";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { postgresOutboxLog } from "../../src/relay.ts";
import { connect, eventually, insert, LOGICAL, slots, untilOn, watchedRelay } from "./scene.ts";

const server = await startPostgres({ settings: LOGICAL });
const client = await connect(server);
after(async () => {
  await client.end();
  await server.remove();
});
await migrate(server.url());

test("what a stranger inserts wakes a relay that looks once a minute, each commit of it", async () => {
  const watched = await watchedRelay(server.url(), true);
  try {
    await untilOn(watched);
    const expected: string[] = [];
    for (let round = 0; round < 50; round += 1) {
      await insert(client, `${round}`);
      expected.push(`${round}`);
      await eventually(() => watched.delivered.length === expected.length, `message ${round} is delivered`);
    }
    assert.deepEqual(watched.delivered, expected);
    assert.deepEqual(watched.said(), ["on"]);
  } finally {
    await watched.relay.stop();
  }
  assert.deepEqual(await slots(client), []);
});

test("numbers go over the wire, and no body", async () => {
  const watched = await watchedRelay(server.url(), true);
  try {
    await untilOn(watched);
    await client.query("select pg_create_logical_replication_slot('eavesdropper', 'pgoutput', true)");
    await insert(client, "a secret");
    await eventually(() => watched.delivered.includes("a secret"), "it is delivered");
    const { rows } = await client.query<{ data: Buffer }>("select data from pg_logical_slot_get_binary_changes('eavesdropper', null, null, 'proto_version', '1', 'publication_names', 'tripact_outbox')");
    const all = Buffer.concat(rows.map(({ data }) => data)).toString("latin1");
    assert.ok(all.includes("outbox"));
    assert.ok(!all.includes("secret"));
  } finally {
    await client.query("select pg_drop_replication_slot('eavesdropper')");
    await watched.relay.stop();
  }
});

test("the stream is no standby in the eyes of the server", async () => {
  const watched = await watchedRelay(server.url(), true);
  try {
    await untilOn(watched);
    const { rows } = await client.query("select application_name, sync_state, flush_lsn from pg_stat_replication");
    assert.deepEqual(rows, [{ application_name: "tripact relay wal", sync_state: "async", flush_lsn: null }]);
  } finally {
    await watched.relay.stop();
  }
});

test("names are checked, a publication of one's own will do, and two relays have a slot each", async () => {
  for (const wakeFromWal of [{ slot: "Not plain" }, { slot: "" }, { publication: "x; drop" }, { publication: "1st" }]) {
    assert.throws(() => postgresOutboxLog({ url: server.url(), wakeFromWal }), { code: "invalid-option" });
  }
  await client.query("create publication leaves for table tripact.outbox with (publish = 'insert, update')");
  const relays = [await watchedRelay(server.url(), { slot: "mine", publication: "leaves" }), await watchedRelay(server.url(), { slot: "mine", publication: "leaves" })];
  try {
    await Promise.all(relays.map((watched) => untilOn(watched)));
    const names = await slots(client);
    assert.equal(names.length, 2);
    for (const name of names) assert.match(name, /^mine_[0-9a-f]{12}$/);
    await insert(client, "by its partition");
    await eventually(() => relays.some(({ delivered }) => delivered.includes("by its partition")), "a partition's insert wakes as well");
  } finally {
    await Promise.all(relays.map(({ relay }) => relay.stop()));
  }
  assert.deepEqual(await slots(client), []);
});

test("PostgreSQL 15", async (t) => {
  const old = await startSystemPostgres({ settings: LOGICAL });
  if ("notRun" in old) return t.skip(old.notRun);
  try {
    await migrate(old.url());
    const watched = await watchedRelay(old.url(), true);
    const writer = await connect(old);
    try {
      await untilOn(watched);
      await insert(writer, "old");
      await eventually(() => watched.delivered.includes("old"), "it is delivered");
    } finally {
      await watched.relay.stop();
    }
    assert.deepEqual(await slots(writer), []);
    await writer.end();
  } finally {
    await old.remove();
  }
});
