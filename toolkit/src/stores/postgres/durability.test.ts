import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { startPair } from "@tripact/testbed";
import pg from "pg";
import { TripactError } from "../../protocol/errors.ts";
import { entryOf, readOne, startOf, write } from "../conformance.ts";
import type { Store, WriteBatch } from "../store.ts";
import { migrate, postgresStore } from "./store.ts";

const pair = await startPair();
const url = pair.primary.url();
await migrate(url);
const client = new pg.Client({ connectionString: url });
client.on("error", () => {});
await client.connect();
after(async () => {
  await client.end();
  await pair.remove();
});

async function replicated(onStandbyLost: "stop" | "degrade"): Promise<Store> {
  const store = postgresStore({ url, durability: { replicated: { onStandbyLost } } });
  await store.connect();
  return store;
}

async function refuses(store: Store, message: RegExp): Promise<void> {
  try {
    await assert.rejects(store.connect(), { code: "durability-refused", message });
  } finally {
    await store.close();
  }
}

async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (performance.now() < deadlineMs) {
    if (await reached()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`not reached: ${what}`);
}

const waitsForStandby = async (): Promise<number | undefined> =>
  (await client.query<{ pid: number }>("select pid from pg_stat_activity where application_name = 'tripact flush' and wait_event = 'SyncRep'")).rows[0]?.pid;

const standbyStreams = async (): Promise<boolean> =>
  ((await client.query("select from pg_stat_replication where sync_state = 'sync' and state = 'streaming'")).rowCount ?? 0) > 0;

const codeOf = (error: unknown): string => (error instanceof TripactError ? error.code : String(error));

async function started(store: Store): Promise<{ owner: string; gid: string; batch: WriteBatch }> {
  const owner = randomUUID();
  const start = startOf();
  assert.deepEqual(await write(store, owner, [start]), ["applied"]);
  return { owner, gid: start.gid, batch: { flushId: randomUUID(), owner, writes: [entryOf(start.gid, 2)] } };
}

test("note 15: a wait for the standby that is cancelled is unknown, although Postgres says that it committed", async () => {
  const store = await replicated("stop");
  const { gid, batch } = await started(store);
  await pair.standby.stop("immediate");
  const flush = store.journal.write(batch).then(() => "applied", codeOf);
  await until("the commit waits", async () => (await waitsForStandby()) !== undefined);
  await client.query("select pg_cancel_backend($1)", [await waitsForStandby()]);
  assert.equal(await flush, "store-unknown");

  // Everybody can see it now, and it may be lost all the same: asked again without a standby, there is no answer.
  assert.equal((await client.query("select from tripact.entry where gid = $1", [gid])).rowCount, 1);
  await until("stalled", () => store.health().state === "stalled");
  await assert.rejects(store.journal.write(batch), { code: "store-unreachable" });

  await pair.standby.start();
  await until("the standby streams", standbyStreams);
  await until("up", () => store.health().state === "up");
  assert.deepEqual(await store.journal.write(batch), ["applied"]);
  assert.equal((await readOne(store, gid)).entries.length, 2);
  await store.close();
});

test("note 15: while a commit waits for its standby the store is stalled; what was written before is settled by a real write", async () => {
  const store = await replicated("stop");
  const { batch } = await started(store);
  assert.deepEqual(await store.journal.write(batch), ["applied"]);
  await pair.standby.stop("immediate");
  // The same flush again writes no row, and a commit of no rows would not wait: it must not say `applied` without the standby.
  let answer: string | undefined;
  void store.journal.write(batch).then((verdicts) => { answer = verdicts[0]; }, (error: unknown) => { answer = codeOf(error); });
  await until("it waits, or was refused", async () => answer !== undefined || (await waitsForStandby()) !== undefined);
  assert.notEqual(answer, "applied");
  await until("stalled", () => store.health().state === "stalled");
  await pair.standby.start();
  await until("an answer", () => answer !== undefined);
  await until("up", () => store.health().state === "up");
  assert.deepEqual(await store.journal.write(batch), ["applied"]);
  await store.close();
});

test("a commit that waits for its standby for a moment, as every one does, is no stall", async () => {
  const store = await replicated("degrade");
  const { rows } = await client.query<{ pid: number }>("select pid from pg_stat_replication where sync_state = 'sync'");
  const sender = rows[0]?.pid ?? 0;
  let over = false;
  // The standby hears of everything 100 ms late: whoever looks finds a commit that waits, four times out of five.
  const late = (async () => {
    while (!over) {
      process.kill(sender, "SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 100));
      process.kill(sender, "SIGCONT");
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  })();
  const owner = randomUUID();
  const states = new Set<string>();
  let untilMs = performance.now() + 4_500;
  const capMs = performance.now() + 40_000;
  try {
    while (performance.now() < Math.min(untilMs, capMs)) {
      const fromMs = performance.now();
      assert.deepEqual(await write(store, owner, [startOf()]), ["applied"]);
      states.add(store.health().state);
      if (performance.now() - fromMs < 400) continue;
      // This machine itself stood still, and the commit with it: that was a stall. Past the next look it is counted anew.
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      await until("up", () => store.health().state === "up");
      states.clear();
      untilMs = performance.now() + 4_500;
    }
  } finally {
    over = true;
    await late;
  }
  assert.deepEqual([...states], ["up"]);
  await store.close();
});

test("note 15: a flush that waits past its time is unknown, and no second backend goes to wait beside it", async () => {
  // At `strict` too: synchronous_commit is on, and the server has a standby.
  const store = postgresStore({ url, statementTimeoutMs: 1_000 });
  await store.connect();
  const { gid, batch } = await started(store);
  await pair.standby.stop("immediate");
  await assert.rejects(store.journal.write(batch), { code: "store-unknown" });
  await until("the lost flush is being waited for", () => store.health().detail === "A commit whose reply was lost waits for its standby.");
  await assert.rejects(write(store, randomUUID(), [startOf()]), { code: "store-unreachable" });
  const { rowCount } = await client.query("select from pg_stat_activity where application_name = 'tripact flush' and wait_event = 'SyncRep'");
  assert.equal(rowCount, 1);
  await pair.standby.start();
  await until("up", () => store.health().state === "up");
  assert.deepEqual(await store.journal.write(batch), ["applied"]);
  assert.equal((await readOne(store, gid)).entries.length, 2);
  await store.close();
});

test("note 16: `degrade` settles what hangs, goes on without the standby, says so, and returns to the level with it", async () => {
  const store = await replicated("degrade");
  const { gid, owner, batch } = await started(store);
  await pair.standby.stop("immediate");
  let written: string | undefined;
  await until("the write", async () => {
    written = await store.journal.write(batch).then((verdicts) => verdicts[0], codeOf);
    return written === "applied";
  });
  assert.equal((await readOne(store, gid)).entries.length, 2);
  assert.match(store.health().detail ?? "", /primary only/);
  assert.deepEqual(await write(store, owner, [entryOf(gid, 3)]), ["applied"]);
  await pair.standby.start();
  await until("the standby streams", standbyStreams);
  await until("the declared level", () => store.health().detail === undefined);
  assert.deepEqual(await write(store, owner, [entryOf(gid, 4)]), ["applied"]);
  await store.close();
});

test("note 16: `replicated` without a synchronous standby is refused at start, with what is needed", async () => {
  await client.query("alter system set synchronous_standby_names = ''");
  await client.query("select pg_reload_conf()");
  await until("the reload", async () => (await client.query("show synchronous_standby_names")).rows[0]?.synchronous_standby_names === "");
  const store = postgresStore({ url, durability: { replicated: { onStandbyLost: "stop" } } });
  await assert.rejects(store.connect(), { code: "durability-refused", message: /synchronous_standby_names is empty/ });
  await store.close();
  const strict = postgresStore({ url });
  await strict.connect();
  await strict.close();
  await client.query("alter system reset synchronous_standby_names");
  await client.query("select pg_reload_conf()");
  await until("the standby is back in its role", standbyStreams);
});

test("note 16: `degrade` starts without a standby, says since when, and goes up to the level by itself when one appears; `stop` refuses", async () => {
  await client.query("create table level (level text)");
  await client.query("create function note_level() returns trigger language plpgsql as $$ begin insert into level values (current_setting('synchronous_commit')); return new; end $$");
  await client.query("create trigger note_level after insert on tripact.transaction for each row execute function note_level()");
  const levels = async (): Promise<readonly unknown[]> => (await client.query<{ level: string }>("select level from level")).rows.map(({ level }) => level);
  await pair.standby.stop("immediate");
  await until("the standby is gone", async () => !(await standbyStreams()));
  await refuses(postgresStore({ url, durability: { replicated: { onStandbyLost: "stop" } } }), /No synchronous standby is streaming.*Needed: one in state sync or quorum.*degrade/);

  const fromMs = Date.now();
  const store = await replicated("degrade");
  const { state, degradedSinceMs = 0, detail } = store.health();
  assert.equal(state, "up");
  assert.ok(degradedSinceMs >= fromMs && degradedSinceMs <= Date.now());
  assert.match(detail ?? "", new RegExp(`^Since ${new Date(degradedSinceMs).toISOString()} commits are durable on the primary only\\. .*Needed:`));
  assert.deepEqual(await write(store, randomUUID(), [startOf()]), ["applied"]);
  assert.deepEqual(await levels(), ["local"]);

  await pair.standby.start();
  await until("the level", () => store.health().degradedSinceMs === undefined);
  assert.ok(await standbyStreams());
  assert.deepEqual(store.health(), { state: "up" });
  assert.deepEqual(await write(store, randomUUID(), [startOf()]), ["applied"]);
  assert.deepEqual(await levels(), ["local", "on"]);
  await store.close();
  await client.query("drop trigger note_level on tripact.transaction");
});

test("`degrade` is refused to a role that cannot see the standby: it would call a healthy pair degraded for ever", async () => {
  await client.query("create role blind login password 'p'");
  await client.query("grant usage on schema tripact to blind");
  await client.query("grant select on all tables in schema tripact to blind");
  const blind = new URL(url);
  blind.username = "blind";
  blind.password = "p";
  await client.query("grant execute on function pg_control_system() to blind");
  await refuses(postgresStore({ url: blind.href, durability: { replicated: { onStandbyLost: "degrade" } } }), /Needed: grant pg_monitor/);
});

test("a standby takes no writes and is refused as such", async () => {
  const store = postgresStore({ url: pair.standby.url() });
  await assert.rejects(store.connect(), { code: "store-unreachable", message: /standby/ });
  await store.close();
});

/** The last one: the first primary is gone afterwards. */
test("note 16: after a failover `degrade` starts at the promoted server, which has no standby and no name for one", async () => {
  await pair.promote();
  const promoted = pair.standby.url();
  await refuses(postgresStore({ url: promoted, durability: { replicated: { onStandbyLost: "stop" } } }), /synchronous_standby_names is empty.*degrade/);
  const store = postgresStore({ url: promoted, durability: { replicated: { onStandbyLost: "degrade" } } });
  await store.connect();
  assert.equal(await store.membership.join({ incarnation: randomUUID(), name: "after the failover", runs: [] }), true);
  await started(store);
  assert.match(store.health().detail ?? "", /primary only.*synchronous_standby_names/);
  await store.close();
});
