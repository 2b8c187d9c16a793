import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "pg";
import { startSystemPostgres } from "./system-postgres.ts";

test("the system's PostgreSQL 15 has the same door as the embedded one", async (t) => {
  const server = await startSystemPostgres();
  if ("notRun" in server) {
    t.skip(server.notRun);
    return;
  }
  t.after(() => server.remove());
  assert.match(server.version, /^15\./);
  const client = new Client({ connectionString: server.url() });
  await client.connect();
  const { rows } = await client.query("select current_setting('server_version') as version");
  await client.end();
  assert.equal(JSON.stringify(rows).includes(server.version), true);
  await server.crash();
  await server.start();
  await server.stop("smart");
});
