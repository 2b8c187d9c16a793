import assert from "node:assert/strict";
import test from "node:test";
import { startPair, startPostgres, startProxy, type PostgresPair } from "@tripact/testbed";
import type { Client } from "pg";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { connect, eventually, insert, LOGICAL, untilOn, watchedRelay, type Watched } from "./scene.ts";

const WAITS = "select pid from pg_stat_activity where wait_event = 'SyncRep'";

interface Phantom {
  readonly pair: PostgresPair;
  readonly watched: Watched;
  readonly client: Client;
  readonly retarget: () => void;
  /** The insert's end, or its failure. */
  readonly committed: Promise<unknown>;
}

/** A relay with its stream on, and a commit that is in the log, in the stream, and waits for a standby that is gone. */
async function withPhantom(work: (phantom: Phantom) => Promise<void>): Promise<void> {
  const pair = await startPair({ settings: LOGICAL });
  const { primary, standby } = pair;
  const proxy = await startProxy({ target: { host: primary.host, port: primary.port } });
  const url = new URL(primary.url());
  url.port = String(proxy.port);
  try {
    await migrate(primary.url());
    const watched = await watchedRelay(url.href, true);
    try {
      await untilOn(watched);
      const [client, writer] = [await connect(primary), await connect(primary)];
      await insert(client, "before");
      await eventually(() => watched.delivered.length === 1, "with a standby, all is well");
      await client.query("select pg_create_logical_replication_slot('proof', 'pgoutput', true)");
      await standby.crash();
      const wokenBefore = watched.woken();
      const committed = insert(writer, "phantom").catch((error: unknown) => error);
      await eventually(async () => (await client.query(WAITS)).rowCount === 1, "the commit waits for its standby");
      await eventually(() => watched.woken() > wokenBefore + 3, "the stream has shown it, and the wake-up came again");
      const { rows } = await client.query("select from pg_logical_slot_peek_binary_changes('proof', null, null, 'proto_version', '1', 'publication_names', 'tripact_outbox') where get_byte(data, 0) = ascii('I')");
      assert.equal(rows.length, 1, "decoding shows the insert");
      assert.deepEqual((await client.query(`select from tripact.outbox where payload = '"phantom"'`)).rows, [], "the table does not");
      assert.deepEqual(watched.delivered, ["before"]);
      await work({ pair, watched, client, committed, retarget: () => proxy.retarget({ host: standby.host, port: standby.port }) });
      await Promise.all([client.end(), writer.end()].map((ended) => ended.catch(() => {})));
    } finally {
      await watched.relay.stop();
    }
  } finally {
    await proxy.close();
    await pair.remove();
  }
}

test("note 14: what the log shows before the standby has it is delivered when the standby has it, once", async () => {
  await withPhantom(async ({ pair, watched, committed }) => {
    await pair.standby.start();
    assert.equal(await committed, undefined);
    await eventually(() => watched.delivered.length > 1, "it is delivered, although the relay looks once a minute");
    assert.deepEqual(watched.delivered, ["before", "phantom"]);
    assert.deepEqual(watched.said(), ["on"]);
  });
});

test("note 14: … or when the wait is cancelled, for the table shows it then", async () => {
  await withPhantom(async ({ watched, client, committed }) => {
    await client.query(`select pg_cancel_backend(pid) from (${WAITS}) waits`);
    await committed;
    await eventually(() => watched.delivered.length > 1, "it is delivered");
    assert.deepEqual(watched.delivered, ["before", "phantom"]);
  });
});

test("note 14: … or never, when a failover erases it; the stream begins anew on the new primary", async () => {
  await withPhantom(async ({ pair, watched, committed, retarget }) => {
    await pair.primary.crash();
    await committed;
    await pair.standby.start();
    await pair.promote();
    retarget();
    await untilOn(watched, 2);
    const client = await connect(pair.standby);
    await insert(client, "after");
    await eventually(() => watched.delivered.includes("after"), "what comes afterwards is delivered");
    assert.deepEqual((await client.query(`select from tripact.outbox where payload = '"phantom"'`)).rows, []);
    assert.deepEqual(watched.delivered.filter((it) => it !== "before"), ["after"]);
    assert.equal(watched.said().length, 3, watched.said().join("; "));
    await client.end();
  });
});

test("a commit that waits for any standby does not take the stream for one", async () => {
  const server = await startPostgres({ settings: LOGICAL });
  try {
    await migrate(server.url());
    const watched = await watchedRelay(server.url(), true);
    const [client, writer] = [await connect(server), await connect(server)];
    try {
      await untilOn(watched);
      // After a confirmation: from then on a server might count on us.
      const { rows } = await client.query<{ lsn: string }>("select pg_current_wal_lsn()::text as lsn");
      await eventually(async () => (await client.query("select from pg_replication_slots where confirmed_flush_lsn >= $1::pg_lsn", [rows[0]?.lsn])).rowCount === 1, "a position is confirmed");
      await client.query("alter system set synchronous_standby_names = '*'");
      await client.query("select pg_reload_conf()");
      await eventually(async () => (await client.query("show synchronous_standby_names")).rows[0]?.synchronous_standby_names === "*", "every commit waits now");
      // The server's processes read the new setting one after the other: the first commit that waits is the one.
      let committed = 0;
      let commit: Promise<unknown> = Promise.resolve();
      for (let sent = 0; sent === committed; sent += 1) {
        assert.ok(sent < 50, "a commit waits");
        commit = insert(writer, `${sent}`).then(() => (committed += 1));
        await Promise.race([commit, new Promise((resolve) => setTimeout(resolve, 500))]);
      }
      await eventually(() => watched.said().some((it) => it.includes("Needed: the standbys by their names in synchronous_standby_names")), "it gives way");
      assert.equal((await client.query(WAITS)).rowCount, 1, "the commit still waits");
      assert.ok(!watched.delivered.includes(`${committed}`));
      await client.query("alter system reset synchronous_standby_names");
      await client.query("select pg_reload_conf()");
      await commit;
      await untilOn(watched, 2);
      await eventually(() => watched.delivered.length === committed, "the commit is delivered");
    } finally {
      await watched.relay.stop();
      await Promise.all([client.end(), writer.end()]);
    }
  } finally {
    await server.remove();
  }
});
