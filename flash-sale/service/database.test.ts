import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { freshDatabase, leashedFolder, removeLeashedFolder, type FreshDatabase } from "@tripact/testbed";
import type pg from "pg";
import { makeTables, openPool } from "./database.ts";

let database: FreshDatabase;
let pool: pg.Pool;
let folder: string;
before(async () => {
  database = await freshDatabase("tables");
  pool = openPool(database.url, "test");
  folder = leashedFolder("/tmp/tripact-tables-");
});
after(async () => {
  await pool.end();
  await database.drop();
  removeLeashedFolder(folder);
});

async function schema(name: string, text: string): Promise<URL> {
  const path = join(folder, name);
  await writeFile(path, text);
  return pathToFileURL(path);
}

test("who comes back in mid-sale finds its tables, and stands in nobody's way", async () => {
  const first = await schema("first.sql", "create table if not exists lamp (n integer); create index if not exists lamp_n on lamp (n);");
  await Promise.all([makeTables(pool, first), makeTables(pool, first)]);
  const buyer = await pool.connect();
  try {
    await buyer.query("begin");
    await buyer.query("insert into lamp values (1)");
    // It would wait for the buyer until its statement's time is over, and everybody else behind it.
    await makeTables(pool, first);
    await pool.query("insert into lamp values (2)");
    await buyer.query("commit");
  } finally {
    buyer.release();
  }
  await makeTables(pool, await schema("second.sql", "create table if not exists lamp (n integer); create table if not exists shade (n integer);"));
  assert.equal((await pool.query("select from shade")).rowCount, 0, "another text is another schema");
  await assert.rejects(makeTables(pool, await schema("wrong.sql", "create table wrong (n no_type)")));
  await makeTables(pool, await schema("wrong.sql", "create table wrong (n integer)"));
});
