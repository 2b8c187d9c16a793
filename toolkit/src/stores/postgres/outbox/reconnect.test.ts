import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { after, test } from "node:test";
import pg from "pg";
import { postgresOutboxLog } from "../../../relay.ts";
import { migrate } from "../migrate.ts";

const database = await freshDatabase("reconnect");
await migrate(database.url);
const client = new pg.Client({ connectionString: database.url });
await client.connect();
after(async () => {
  await client.end();
  await database.drop();
});

/** Their roles, oldest first. */
async function sessions(): Promise<readonly { readonly role: string; readonly pid: number }[]> {
  const { rows } = await client.query<{ role: string; pid: number }>(
    "select application_name as role, pid from pg_stat_activity where datname = current_database() and application_name like 'tripact relay %' order by backend_start",
  );
  return rows.map(({ role, pid }) => ({ role: role.slice("tripact relay ".length), pid }));
}

test("decision 0030: after a loss, the sessions that deliver come back before those that only watch", async () => {
  const log = postgresOutboxLog({ url: database.url });
  await log.connect();
  try {
    const before = await sessions();
    assert.equal(before.length, 5);
    await client.query("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", [before.map(({ pid }) => pid)]);
    const deadlineMs = performance.now() + 20_000;
    let back = await sessions();
    while (back.length < 5 || back.some(({ pid }) => before.some((old) => old.pid === pid))) {
      assert.ok(performance.now() < deadlineMs, "within 20 s: all are back");
      await new Promise((resolve) => setTimeout(resolve, 10));
      back = await sessions();
    }
    const roles = back.map(({ role }) => role);
    assert.deepEqual(roles.slice(0, 3).toSorted(), ["listen", "lock", "log"]);
    assert.deepEqual(roles.slice(3).toSorted(), ["ops", "watch"]);
  } finally {
    await log.close();
  }
});
