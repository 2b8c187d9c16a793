import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { open, readFile, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { startRestarts } from "../failover/restarts.ts";
import { signal } from "../leash/kill-whole.ts";
import { spawnLeashed } from "../leash/leash.ts";
import { startPostgres, type PostgresServer } from "../postgres/postgres.ts";
import { skipBecause } from "../privileged.ts";
import { startProxy } from "../proxy/tcp-proxy.ts";
import { createDisk, whyNoDisk, type Disk } from "./disk.ts";

const skip = skipBecause(whyNoDisk());
const ROWS = 50;

test("a power loss takes what was not flushed and keeps what was; between the two nothing can be read", { skip }, async (t) => {
  const disk = await aDisk(t);
  const path = (name: string): string => join(disk.folder, name);
  const file = await open(path("flushed"), "w");
  await file.writeFile("kept");
  await file.sync();
  await file.close();
  await writeFile(path("written"), "lost");
  await disk.losePower();
  await disk.losePower();
  await assert.rejects(writeFile(path("later"), "x"), { code: "EIO" });
  await disk.powerOn();
  await disk.powerOn();
  assert.equal(await readFile(path("flushed"), "utf8"), "kept");
  assert.equal(existsSync(path("written")) && (await readFile(path("written"), "utf8")) === "lost", false);
});

test("full: nothing new fits; freed: it does; removed: no mount, no loop device, no file is left", { skip }, async (t) => {
  const disk = await aDisk(t);
  const { bavail: before } = await statfs(disk.folder);
  await disk.fill();
  await disk.fill();
  await assert.rejects(writeFile(join(disk.folder, "new"), Buffer.alloc(65_536)), { code: "ENOSPC" });
  await disk.free();
  await disk.free();
  const { bavail: after } = await statfs(disk.folder);
  assert.ok(after > before * 0.9, `${after} of ${before} blocks are free again`);
  await writeFile(join(disk.folder, "new"), Buffer.alloc(65_536));
  await disk.remove();
  await disk.remove();
  assert.deepEqual(remainsOf(disk.folder), []);
});

for (const [commits, keeps] of [["on", true], ["off", false]] as const) {
  test(`a server with synchronous_commit=${commits} ${keeps ? "keeps every acknowledged row" : "loses acknowledged rows"} at a power loss`, { skip }, async (t) => {
    // What `off` may lose is what the writer in the background has not come to yet.
    const { disk, server } = await aServerOn(t, { synchronous_commit: commits, wal_writer_delay: "10s" });
    await query(server, "create table kept (id int)");
    await query(server, "checkpoint");
    const client = await connect(server);
    for (let id = 0; id < ROWS; id += 1) await client.query("insert into kept values ($1)", [id]);
    await disk.losePower();
    await server.crash();
    await client.end().catch(() => undefined);
    await disk.powerOn();
    await server.start();
    const [row] = await query(server, "select count(*)::int as rows from kept");
    const rows = Number(row?.["rows"]);
    if (keeps) assert.equal(rows, ROWS);
    else assert.ok(rows < ROWS, `all ${rows} rows are there`);
  });
}

test("a server whose disk is full refuses, and comes back by itself with what it acknowledged when there is room", { skip }, async (t) => {
  const { disk, server, ending } = await aServerOn(t);
  const endpoint = await startProxy({ target: server });
  ending.push(() => endpoint.close());
  await query(server, "create table kept (id int)");
  const restarts = await startRestarts({ server, endpoint });
  ending.push(() => restarts.stop(), () => disk.free());
  await disk.fill();
  // The log's next segment does not fit: the first commit of all stops the server.
  await query(server, "select pg_switch_wal()").catch(() => undefined);
  const acknowledged: number[] = [];
  for (let id = 0; restarts.timeline.every(({ kind }) => kind !== "declared"); id += 1) {
    await query(server, `insert into kept values (${id})`).then(() => acknowledged.push(id), () => undefined);
  }
  await disk.free();
  while (restarts.timeline.every(({ kind }) => kind !== "writable")) {
    assert.notEqual(restarts.state, "gave-up", restarts.timeline.at(-1)?.detail ?? "");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const found = (await query(server, "select id from kept")).map(({ id }) => id);
  assert.deepEqual(acknowledged.filter((id) => !found.includes(id)), []);
});

for (const name of ["SIGINT", "SIGKILL"] as const) {
  test(`${name} of the parent: mount, loop device, image and the shared memory of a killed server go, though the disk has no power`, { skip }, async () => {
    const fixture = fileURLToPath(import.meta.resolve("./disk-parent.fixture.ts"));
    const parent = await spawnLeashed({ command: process.execPath, args: [fixture], stdio: ["ignore", "pipe", "inherit"] });
    assert.ok(parent.stdout);
    const line = await createInterface({ input: parent.stdout })[Symbol.asyncIterator]().next();
    const { folder, pid } = JSON.parse(String(line.value)) as { folder: string; pid: number };
    assert.ok(remainsOf(folder).length > 0);
    const segments = segmentsOf(pid);
    assert.equal(segments.length, 1);
    signal(parent.pid, name);
    await parent.exited;
    const deadlineMs = performance.now() + 30_000;
    while (existsSync(dirname(folder)) && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(remainsOf(folder), []);
    assert.deepEqual(segmentsOf(pid), []);
  });
}

async function aDisk(t: TestContext): Promise<Disk> {
  const disk = await createDisk({ mib: 64 });
  t.after(() => disk.remove());
  return disk;
}

/** Hooks run in the order of their registration, and a disk goes last. */
async function aServerOn(t: TestContext, settings: Readonly<Record<string, string>> = {}): Promise<{ readonly disk: Disk; readonly server: PostgresServer; readonly ending: (() => Promise<void>)[] }> {
  const disk = await createDisk({ mib: 256 });
  const ending = [() => disk.remove()];
  t.after(async () => {
    for (const end of ending.toReversed()) await end();
  });
  const server = await startPostgres({ place: disk.folder, settings });
  ending.push(() => server.crash());
  return { disk, server, ending };
}

/** What there still is of a disk. */
function remainsOf(folder: string): string[] {
  const home = dirname(folder);
  const mounts = readFileSync("/proc/mounts", "utf8").split("\n").filter((line) => line.includes(` ${folder} `));
  const loops = globSync("/sys/block/loop*/loop/backing_file").filter((file) => readFileSync(file, "utf8").startsWith(home));
  return [...mounts, ...loops, ...(existsSync(home) ? [home] : [])];
}

/** Of System V shared memory, by the process that made it. */
function segmentsOf(pid: number): string[] {
  return readFileSync("/proc/sysvipc/shm", "utf8").split("\n").filter((line) => line.trim().split(/\s+/)[4] === String(pid));
}

async function connect(server: PostgresServer): Promise<Client> {
  const client = new Client({ connectionString: server.url() });
  client.on("error", () => undefined);
  await client.connect();
  return client;
}

async function query(server: PostgresServer, statement: string): Promise<Record<string, unknown>[]> {
  const client = await connect(server);
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
