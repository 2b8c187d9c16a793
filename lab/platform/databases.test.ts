import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import test from "node:test";
import { Client } from "pg";
import { CPU_IS_MEASURED } from "./cpu.ts";
import { startDatabases } from "./databases.ts";

test("a pair behind one address: fresh databases whose commits wait for the standby, and nothing left at the end", async () => {
  const databases = await startDatabases({ servers: "pair", endpoint: "proxied" });
  const folders = [databases.pair?.primary.dataFolder ?? "", databases.pair?.standby.dataFolder ?? ""];
  try {
    const one = await databases.fresh();
    const other = await databases.fresh();
    assert.notEqual(one.urls.orders, other.urls.orders);
    const client = new Client({ connectionString: one.urls.orders });
    await client.connect();
    client.on("error", () => undefined);
    const { rows } = await client.query<{ standbys: string; max: string }>("select current_setting('synchronous_standby_names') as standbys, current_setting('max_connections') as max");
    assert.deepEqual(rows[0], { standbys: "standby", max: "300" });
    // Dropped under an open session: a service that hangs must not keep its database.
    await one.drop();
    await one.drop();
    await client.end().catch(() => undefined);
    await other.drop();
    if (CPU_IS_MEASURED) assert.ok((databases.cpuMs() ?? 0) > 0);
  } finally {
    await databases.stop();
    await databases.stop();
  }
  assert.deepEqual(folders.filter((folder) => existsSync(folder)), []);
});
