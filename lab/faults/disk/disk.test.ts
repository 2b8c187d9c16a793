import assert from "node:assert/strict";
import test from "node:test";
import { skipBecause, startFailover, startRestarts, whyNoDisk, type Watch } from "@tripact/testbed";
import { Client } from "pg";
import { startDatabases, type Databases } from "../../platform/databases.ts";
import { faultNamed } from "../all.ts";
import type { Scene } from "../fault.ts";

// A real server on a disk of its own, and one client that counts what it was told is there.

const skip = skipBecause(whyNoDisk());
const ROWS = 40;
const nobody: Scene["platform"] = { processes: new Map(), wires: [] };

interface Broken {
  readonly databases: Databases;
  readonly url: string;
  readonly watch: Watch;
}

/** Breaks a server after `ROWS` acknowledged rows, heals it twice, and counts. */
async function rowsAfter(name: string, victim: string, meanwhile: (broken: Broken) => Promise<void>): Promise<number> {
  const fault = faultNamed(name) ?? assert.fail(name);
  const databases = await startDatabases({ servers: fault.database === "failover" ? "pair" : "single", endpoint: "proxied", disk: "own" });
  const endpoint = databases.proxy ?? assert.fail();
  let watch: Watch | undefined;
  try {
    watch = databases.pair === undefined ? await startRestarts({ server: databases.primary, endpoint }) : await startFailover({ pair: databases.pair, endpoint });
    const { urls } = await databases.fresh();
    await query(urls.orders, "create table kept (id int, filler text)");
    for (let id = 0; id < ROWS; id += 1) await query(urls.orders, `insert into kept values (${id})`);
    const heal = await fault.inject({ platform: nobody, databases, watch, random: () => 0 }, victim);
    await meanwhile({ databases, url: urls.orders, watch });
    await heal();
    await heal();
    await query(urls.orders, `insert into kept values (${ROWS})`);
    return Number((await query(urls.orders, "select count(*)::int as rows from kept"))[0]?.["rows"]);
  } finally {
    await databases.disk?.free().catch(() => undefined);
    await databases.disk?.powerOn();
    await watch?.stop();
    await databases.stop();
  }
}

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000, query_timeout: 10_000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

test("power-lost: the standby has every acknowledged row, and the old disk tells nothing", { skip }, async () => {
  const rows = await rowsAfter("power-lost", "postgres", async ({ databases: { primary, disk } }) => {
    assert.equal(primary.pid, undefined);
    assert.equal(disk?.powered, false);
  });
  assert.equal(rows, ROWS + 1);
});

test("power-lost-restarted: nobody answers while the power is off, and the same disk has every acknowledged row", { skip }, async () => {
  const rows = await rowsAfter("power-lost-restarted", "postgres", ({ url }) => assert.rejects(query(url, "select 1")));
  assert.equal(rows, ROWS + 1);
});

test("disk-full, tables: what needs room is refused by a server that goes on", { skip }, async () => {
  const rows = await rowsAfter("disk-full", "tables", async ({ url, watch }) => {
    await assert.rejects(query(url, "insert into kept select id, repeat('x', 1000) from generate_series(1, 10000) as id"), { code: "53100" });
    assert.equal((await query(url, "select 1 as up"))[0]?.["up"], 1);
    assert.deepEqual(watch.timeline, []);
  });
  assert.equal(rows, ROWS + 1);
});

test("disk-full, log: the server stops, is dead as long as nothing fits, and comes back by itself", { skip }, async () => {
  const rows = await rowsAfter("disk-full", "log", async ({ url, watch }) => {
    while (watch.timeline.every(({ kind }) => kind !== "fenced")) await new Promise((resolve) => setTimeout(resolve, 20));
    await assert.rejects(query(url, "insert into kept values (-1)"));
    assert.equal(watch.state, "recovering");
  });
  assert.equal(rows, ROWS + 1);
});

test("without a disk of its own there is nothing to hit", async () => {
  const scene: Scene = { platform: nobody, random: () => 0, watch: { timeline: [], state: "watching" }, databases: { proxy: undefined, disk: undefined, primary: { pid: 1, crash: () => Promise.resolve(), url: () => "" } } };
  for (const name of ["power-lost", "power-lost-restarted", "disk-full"]) await assert.rejects(faultNamed(name)?.inject(scene, "log") ?? Promise.resolve(), { code: "nothing-to-hit" });
});
