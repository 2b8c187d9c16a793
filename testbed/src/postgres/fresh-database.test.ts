import assert from "node:assert/strict";
import test from "node:test";
import { Client } from "pg";
import { freshDatabase } from "./fresh-database.ts";

test("two databases of one name are apart, and a dropped one ends its sessions", async () => {
  const [first, second] = await Promise.all([freshDatabase("apart"), freshDatabase("apart")]);
  const client = new Client({ connectionString: first.url });
  const ended = new Promise<void>((resolve) => client.on("error", () => resolve()));
  await client.connect();
  await client.query("create table mine (id int)");
  const other = new Client({ connectionString: second.url });
  await other.connect();
  const { rows } = await other.query("select to_regclass('mine') as found");
  assert.deepEqual(rows, [{ found: null }]);
  await other.end();

  await Promise.all([first.drop(), second.drop()]);
  await ended;
  await first.drop();
  const late = new Client({ connectionString: first.url });
  await assert.rejects(late.connect(), { code: "3D000" });
});

test("a name that is no plain SQL name is refused", async () => {
  await assert.rejects(freshDatabase("No-Such"), /not a plain lower-case SQL name/);
});
