import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { freshDatabase, startProxy, type TcpProxy } from "@tripact/testbed";
import pg from "pg";
import { TripactError } from "../../protocol/errors.ts";
import { entryOf, startOf, write } from "../conformance.ts";
import type { Heard, Store } from "../store.ts";
import { migrate, postgresStore, type PostgresStoreOptions } from "./store.ts";

const LEASE_MS = 2_000;
/** Less than half a lease, so that half of one and the whole can be told apart. */
const SLACK_MS = 800;

const database = await freshDatabase("silence");
await migrate(database.url);
const client = new pg.Client({ connectionString: database.url });
await client.connect();
after(async () => {
  await client.end();
  await database.drop();
});

interface Behind {
  readonly proxy: TcpProxy;
  readonly store: Store;
  readonly incarnation: string;
  readonly heard: readonly Heard[];
}

async function behindProxy({ leaseMs = LEASE_MS, ...options }: Partial<PostgresStoreOptions> & { readonly leaseMs?: number }, work: (behind: Behind) => Promise<void>): Promise<void> {
  const url = new URL(database.url);
  const proxy = await startProxy({ target: { host: url.hostname, port: Number(url.port) } });
  url.port = String(proxy.port);
  const store = postgresStore({ url: url.href, ...options });
  const heard: Heard[] = [];
  store.membership.listen((it) => heard.push(it));
  const incarnation = randomUUID();
  try {
    await store.connect();
    assert.equal(await store.membership.join({ incarnation, name: "behind", runs: [], leaseMs }), true);
    await work({ proxy, store, incarnation, heard });
  } finally {
    await proxy.pass();
    await store.close();
    await proxy.close();
  }
}

async function backends(): Promise<Readonly<Record<string, number>>> {
  const { rows } = await client.query<{ role: string; pid: number }>(
    "select application_name as role, pid from pg_stat_activity where datname = current_database() and application_name like 'tripact %'",
  );
  return Object.fromEntries(rows.map(({ role, pid }) => [role.slice("tripact ".length), pid]));
}

interface End {
  readonly code: string;
  readonly afterMs: number;
}

async function endOf(waited: Promise<unknown>): Promise<End> {
  const fromMs = performance.now();
  const code = await waited.then(() => "answered", (error: unknown) => (error instanceof TripactError ? error.code : String(error)));
  return { code, afterMs: performance.now() - fromMs };
}

function within(end: End, code: string, ms: number): void {
  assert.equal(end.code, code);
  assert.ok(end.afterMs < ms + SLACK_MS, `after ${end.afterMs.toFixed(0)} ms, not within ${ms}`);
}

async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (performance.now() < deadlineMs) {
    if (await reached()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`not reached: ${what}`);
}

test("a server that is silent is noticed within a lease: by beats and probes in half of it, by the lock in the whole of it, by all others after that", async () => {
  await behindProxy({}, async ({ proxy, store, incarnation, heard }) => {
    const gid = startOf().gid;
    await write(store, incarnation, [{ ...startOf(), gid }]);
    await store.membership.beat(incarnation);
    const before = await backends();
    await proxy.blackHole();
    const [beat, again, probe, flush, idle] = await Promise.all([
      endOf(store.membership.beat(incarnation)),
      // Its turn comes once the lock's connection has gone.
      endOf(store.membership.fence(incarnation)),
      endOf(store.membership.probe(randomUUID())),
      endOf(write(store, incarnation, [entryOf(gid, 2)])),
      until("lost", () => heard.includes("lost")).then(() => endOf(store.journal.counts())),
    ]);
    within(beat, "store-unknown", LEASE_MS / 2);
    within(probe, "store-unreachable", LEASE_MS / 2);
    within(again, "store-unreachable", LEASE_MS + 1_000);
    // What is at work has waited for longer than half a lease by then.
    within(flush, "store-unknown", LEASE_MS);
    within(idle, "store-unreachable", LEASE_MS / 2 + 1_000);
    await proxy.pass();
    await until("everything is back", async () => heard.includes("back") && Object.keys(await backends()).length === 8 && (await endOf(store.journal.counts())).code === "answered");
    const now = await backends();
    assert.deepEqual(Object.keys(now).filter((role) => now[role] === before[role]), [], "each has a new session");
  });
});

test("one long statement is no silence: the others have time while the lock's connection answers", async () => {
  // Three halves of it are shorter than the flush waits for a lock.
  const leaseMs = 1_000;
  await behindProxy({ leaseMs, statementTimeoutMs: 10_000 }, async ({ store, incarnation, heard }) => {
    const start = startOf();
    await write(store, incarnation, [start]);
    const before = await backends();
    await client.query("begin");
    await client.query("lock table tripact.entry in exclusive mode");
    const flush = endOf(write(store, incarnation, [entryOf(start.gid, 2)]));
    for (let beats = 0; beats < 3; beats += 1) {
      await store.membership.beat(incarnation);
      await until("half a lease more", ((fromMs) => () => performance.now() - fromMs > leaseMs / 2)(performance.now()));
    }
    await client.query("rollback");
    assert.equal((await flush).code, "answered");
    assert.deepEqual(heard.filter((it) => it === "lost"), []);
    assert.deepEqual(await backends(), before);
  });
});

test("a process that stood still itself for longer than the lease keeps its sessions: the answers had come", async () => {
  // Not through the proxy, which stands still with us.
  const store = postgresStore({ url: database.url });
  try {
    await store.connect();
    const incarnation = randomUUID();
    await store.membership.join({ incarnation, name: "still", runs: [], leaseMs: LEASE_MS });
    await store.membership.beat(incarnation);
    const lost: Heard[] = [];
    store.membership.listen((it) => lost.push(it));
    const before = await backends();
    const beat = endOf(store.membership.beat(incarnation));
    // Let the question go out, then hold up everything.
    await new Promise((resolve) => setImmediate(resolve));
    const untilMs = performance.now() + 2 * LEASE_MS;
    while (performance.now() < untilMs);
    assert.equal((await beat).code, "answered");
    assert.deepEqual([lost, await backends()], [[], before]);
  } finally {
    await store.close();
  }
});

test("a server that falls silent between connecting and the greeting: the connect ends in its time", async () => {
  const url = new URL(database.url);
  const proxy = await startProxy({ target: { host: url.hostname, port: Number(url.port) } });
  url.port = String(proxy.port);
  const readyForQuery = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
  void proxy.cutAfter(() => (bytes) => {
    if (bytes.includes(readyForQuery)) void proxy.blackHole("to-server");
    return false;
  });
  const store = postgresStore({ url: url.href, connectTimeoutMs: 500 });
  try {
    within(await endOf(Promise.race([store.connect(), new Promise((resolve) => setTimeout(resolve, 10_000).unref())])), "store-unreachable", 500);
  } finally {
    await store.close();
    await proxy.close();
  }
});

test("those who queue behind a statement without an answer wait for the reconnect together, not one after the other", async () => {
  await behindProxy({ statementTimeoutMs: 1_000 }, async ({ proxy, store }) => {
    await proxy.blackHole();
    const ends = await Promise.all(Array.from({ length: 10 }, () => endOf(store.journal.counts())));
    for (const end of ends) within(end, "store-unreachable", 1_000 + 1_000 + 1_000);
  });
});
