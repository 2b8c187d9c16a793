import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { after, test } from "node:test";
import pg from "pg";
import { postgresOutboxLog } from "../../../relay.ts";
import { migrate } from "../migrate.ts";

const database = await freshDatabase("reconnect");
await migrate(database.url);
const databaseName = new URL(database.url).pathname.slice(1);
const client = new pg.Client({ connectionString: database.url });
await client.connect();
/** Nobody may shut a database whose session it is. */
const gate = new pg.Client({ connectionString: Object.assign(new URL(database.url), { pathname: "/postgres" }).href });
await gate.connect();
after(async () => {
  await client.end();
  await gate.end();
  await database.drop();
});

/** Their roles, oldest first. */
async function sessions(): Promise<readonly { readonly role: string; readonly pid: number }[]> {
  const { rows } = await client.query<{ role: string; pid: number }>(
    "select application_name as role, pid from pg_stat_activity where datname = current_database() and application_name like 'tripact relay %' order by backend_start",
  );
  return rows.map(({ role, pid }) => ({ role: role.slice("tripact relay ".length), pid }));
}

/** All five are new, and their roles in the order in which they came. */
async function rolesOnceBack(before: readonly { readonly pid: number }[]): Promise<readonly string[]> {
  const deadlineMs = performance.now() + 20_000;
  let back = await sessions();
  while (back.length < 5 || back.some(({ pid }) => before.some((old) => old.pid === pid))) {
    assert.ok(performance.now() < deadlineMs, "within 20 s: all are back");
    await new Promise((resolve) => setTimeout(resolve, 10));
    back = await sessions();
  }
  return back.map(({ role }) => role);
}

/** Long enough for all five to have heard of it, and to be refused. */
const OUTAGE_MS = 400;

for (const [name, outageMs] of [["a loss", 0], ["an outage that lasts", OUTAGE_MS]] as const) {
  test(`decision 0030: after ${name}, the sessions that deliver come back before those that only watch`, async () => {
    const log = postgresOutboxLog({ url: database.url });
    await log.connect();
    try {
      for (let round = 0, tries = 0; round < 3; tries += 1) {
        const before = await sessions();
        assert.equal(before.length, 5);
        if (outageMs > 0) await gate.query(`alter database ${pg.escapeIdentifier(databaseName)} with allow_connections false`);
        const goneMs = performance.now();
        await client.query("select pg_terminate_backend(pid) from unnest($1::int[]) as pid", [before.map(({ pid }) => pid)]);
        if (outageMs > 0) {
          await new Promise((resolve) => setTimeout(resolve, outageMs));
          await gate.query(`alter database ${pg.escapeIdentifier(databaseName)} with allow_connections true`);
        }
        const lastedMs = performance.now() - goneMs;
        const roles = await rolesOnceBack(before);
        // Whoever comes back looks every quarter of the outage: one that this machine has stretched decides by itself.
        if (lastedMs > 2 * OUTAGE_MS && tries < 10) continue;
        round += 1;
        assert.deepEqual(roles.slice(0, 3).toSorted(), ["listen", "lock", "log"], roles.join(", "));
        assert.deepEqual(roles.slice(3).toSorted(), ["ops", "watch"]);
      }
    } finally {
      await log.close();
    }
  });
}
