import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "pg";
import type { PostgresServer } from "./postgres.ts";
import { startPair } from "./standby.ts";

test("every commit is on the standby, and after a promotion the standby serves alone", async (t) => {
  const pair = await startPair();
  t.after(() => pair.remove());
  const primary = await connect(pair.primary);
  primary.on("error", () => {}); // it is killed under the connection
  await primary.query("create table kept (id int)");
  await primary.query("insert into kept values (1)");
  const { rows } = await primary.query("select sync_state from pg_stat_replication");
  assert.deepEqual(rows, [{ sync_state: "sync" }]);

  await pair.promote();
  assert.equal(pair.primary.pid, undefined, "the old primary is fenced");
  const promoted = await connect(pair.standby);
  await promoted.query("insert into kept values (2)");
  const kept = await promoted.query("select id from kept order by id");
  await promoted.end();
  assert.deepEqual(kept.rows, [{ id: 1 }, { id: 2 }]);
});

test("while the standby is down a commit waits, and it ends when the standby is back", async (t) => {
  const pair = await startPair();
  t.after(() => pair.remove());
  const primary = await connect(pair.primary);
  const watcher = await connect(pair.primary);
  await pair.standby.crash();
  let committed = false;
  const commit = primary.query("create table late (id int)").then(() => {
    committed = true;
  });
  await untilWaiting(watcher);
  assert.equal(committed, false);
  await pair.standby.start();
  await commit;
  await Promise.all([primary.end(), watcher.end()]);
});

async function connect(server: PostgresServer): Promise<Client> {
  const client = new Client({ connectionString: server.url() });
  await client.connect();
  return client;
}

async function untilWaiting(watcher: Client): Promise<void> {
  for (let attempt = 0; attempt < 1_000; attempt += 1) {
    const { rowCount } = await watcher.query("select from pg_stat_activity where wait_event = 'SyncRep'");
    if (rowCount === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("no commit waits for the standby");
}
