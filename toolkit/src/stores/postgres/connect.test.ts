import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect, createServer, type Server } from "node:net";
import { once } from "node:events";
import { after, test } from "node:test";
import { freePort, freshDatabase, startPostgres, startProxy } from "@tripact/testbed";
import pg from "pg";
import { TripactError } from "../../protocol/errors.ts";
import { entryOf, readOne, startOf, write } from "../conformance.ts";
import type { Store } from "../store.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { loadPg } from "./driver.ts";
import { migrate, postgresStore } from "./store.ts";

const database = await freshDatabase("connect");
await migrate(database.url);
const client = new pg.Client({ connectionString: database.url });
await client.connect();
after(async () => {
  await client.end();
  await database.drop();
});

async function refusal(url: string, options: Partial<Parameters<typeof postgresStore>[0]> = {}): Promise<TripactError> {
  const store = postgresStore({ url, ...options });
  try {
    await store.connect();
  } catch (error) {
    assert.ok(error instanceof TripactError, String(error));
    return error;
  } finally {
    await store.close();
  }
  return assert.fail("it connected");
}

async function connected(url: string, statementTimeoutMs?: number): Promise<Store> {
  const store = postgresStore({ url, ...(statementTimeoutMs === undefined ? {} : { statementTimeoutMs }) });
  await store.connect();
  return store;
}

async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (performance.now() < deadlineMs) {
    if (await reached()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail(`not reached: ${what}`);
}

test("a server that is not there: host and port are named, the password is not", async () => {
  const port = await freePort();
  const error = await refusal(`postgres://shop:geheim@127.0.0.1:${port}/shop`);
  assert.equal(error.code, "store-unreachable");
  assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
  assert.doesNotMatch(error.message, /geheim/);
  const wrongPassword = new URL(database.url);
  wrongPassword.password = "geheim";
  assert.doesNotMatch((await refusal(wrongPassword.href)).message, /geheim/);
  assert.doesNotMatch((await refusal("no url at all geheim")).message, /geheim/);
});

test("a schema that is missing, older or newer is refused, with both versions and the command", async () => {
  const empty = await freshDatabase("schema");
  const admin = new pg.Client({ connectionString: empty.url });
  await admin.connect();
  try {
    const missing = await refusal(empty.url);
    assert.deepEqual([missing.code, missing.hint], ["schema-mismatch", "Run `npx tripact migrate`."]);
    await migrate(empty.url);
    await admin.query("delete from tripact.migration where number = 3");
    assert.match((await refusal(empty.url)).message, /is at version 2, this release needs 3.*npx tripact migrate/);
    await admin.query("insert into tripact.migration (number, name) values (3, 'outbox'), (99, 'tomorrow')");
    assert.match((await refusal(empty.url)).message, /is at version 99, this release needs 3.*upgrade/);
  } finally {
    await admin.end();
    await empty.drop();
  }
});

test("migrate is idempotent, and two at once do the work once", async () => {
  const empty = await freshDatabase("migrate");
  try {
    const applied = await Promise.all([migrate(empty.url), migrate(empty.url)]);
    assert.deepEqual(applied.flat(), ["0001-journal", "0002-node", "0003-outbox"]);
    assert.deepEqual(await migrate(empty.url), []);
    const again = new pg.Client({ connectionString: empty.url });
    await again.connect();
    assert.deepEqual(await migrate({ execute: (text, values) => again.query(text, [...values]) }), [], "also in the caller's transaction");
    await again.end();
  } finally {
    await empty.drop();
  }
});

test("an ordinary role suffices, with no right but to create its schema", async () => {
  const own = await freshDatabase("role");
  const admin = new pg.Client({ connectionString: own.url });
  await admin.connect();
  await admin.query(`create role ${own.name} login password 'p'`);
  await admin.query(`grant create on database ${own.name} to ${own.name}`);
  const url = new URL(own.url);
  url.username = own.name;
  url.password = "p";
  try {
    await migrate(url.href);
    const store = await connected(url.href);
    const node = { incarnation: randomUUID(), name: "ordinary", runs: [] };
    assert.equal(await store.membership.join(node), true);
    const start = startOf();
    assert.deepEqual(await write(store, node.incarnation, [start]), ["applied"]);
    const { verdict } = (await store.localSql?.run(node.incarnation, async () => "x", () => ({ flushId: randomUUID(), write: entryOf(start.gid, 2) }))) ?? {};
    assert.equal(verdict, "applied");
    await store.membership.leave(node.incarnation);
    await store.close();
  } finally {
    await admin.query(`drop owned by ${own.name} cascade`);
    await admin.query(`drop role ${own.name}`);
    await admin.end();
    await own.drop();
  }
});

test("an option that makes no sense is refused by name", () => {
  for (const statementTimeoutMs of [-1, 0, 1.5, Number.NaN]) {
    assert.throws(() => postgresStore({ url: database.url, statementTimeoutMs }), { code: "invalid-option", where: "statementTimeoutMs" });
  }
});

test("note 33: a pooler is refused by name: the backend is not the one that greeted us", async () => {
  const pooler = await startPooler(new URL(database.url));
  const url = new URL(database.url);
  url.port = String(pooler.port);
  try {
    assert.equal((await refusal(url.href)).code, "pooler-refused");
  } finally {
    pooler.server.close();
  }
});

/** Passes everything on, but greets with a process id of its own, as every pooler does. */
async function startPooler(target: URL): Promise<{ server: Server; port: number }> {
  const port = await freePort();
  const server = createServer((caller) => {
    const backend = connect({ host: target.hostname, port: Number(target.port) });
    caller.on("error", () => backend.destroy());
    backend.on("error", () => caller.destroy());
    caller.pipe(backend);
    backend.on("data", (bytes: Buffer) => {
      // BackendKeyData: "K", length 12, process id, secret.
      const at = bytes.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (at >= 0) bytes.writeUInt32BE(4_242, at + 5);
      caller.write(bytes);
    });
    backend.on("close", () => caller.destroy());
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return { server, port };
}

test("a server whose settings break `strict` is refused with the setting's name, and noticed when it changes later", async () => {
  const server = await startPostgres({ settings: { fsync: "off" } });
  try {
    await migrate(server.url());
    const error = await refusal(server.url());
    assert.equal(error.code, "durability-refused");
    assert.match(error.message, /fsync = off.*Needed: fsync = on/);

    const admin = new pg.Client({ connectionString: server.url() });
    await admin.connect();
    const set = async (setting: string): Promise<void> => {
      await admin.query(`alter system set ${setting}`);
      await admin.query("select pg_reload_conf()");
    };
    await set("fsync = on");
    await set("full_page_writes = off");
    await until("the reload", async () => (await admin.query("show full_page_writes")).rows[0]?.full_page_writes === "off");
    assert.match((await refusal(server.url())).message, /Needed: full_page_writes = on/);
    await set("full_page_writes = on");
    await until("the reload", async () => (await admin.query("show full_page_writes")).rows[0]?.full_page_writes === "on");

    const store = await connected(server.url());
    await set("fsync = off");
    await until("stalled", () => store.health().state === "stalled");
    assert.match(store.health().detail ?? "", /Needed: fsync = on/);
    await assert.rejects(write(store, randomUUID(), [startOf()]), { code: "store-unreachable" });
    await set("fsync = on");
    await until("up", () => store.health().state === "up");
    assert.deepEqual(await write(store, randomUUID(), [startOf()]), ["applied"]);
    await store.close();
    await admin.end();
  } finally {
    await server.remove();
  }
});

test("note 34: the journal's connections set synchronous_commit themselves, whatever the role's or the database's default", async () => {
  const lax = await freshDatabase("lax");
  await migrate(lax.url);
  const admin = new pg.Client({ connectionString: lax.url });
  await admin.connect();
  await admin.query(`alter database ${lax.name} set synchronous_commit = off`);
  const store = await connected(lax.url);
  try {
    await admin.query("create table level (level text)");
    await admin.query("create function note_level() returns trigger language plpgsql as $$ begin insert into level values (current_setting('synchronous_commit')); return new; end $$");
    await admin.query("create trigger note_level after insert on tripact.transaction for each row execute function note_level()");
    await write(store, randomUUID(), [startOf()]);
    assert.deepEqual((await admin.query("select level from level")).rows, [{ level: "on" }]);
  } finally {
    await store.close();
    await admin.end();
    await lax.drop();
  }
});

test("a store whose sessions are all ended comes back by itself", async () => {
  const store = await connected(database.url);
  const owner = randomUUID();
  const start = startOf();
  await write(store, owner, [start]);
  await client.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'tripact %'");
  await until("a write", async () => {
    const verdict = await write(store, owner, [entryOf(start.gid, 2)]).catch((error: unknown) => (error instanceof TripactError ? error.code : "bug"));
    return Array.isArray(verdict) && verdict[0] !== "fenced";
  });
  assert.equal((await readOne(store, start.gid)).entries.length, 2);
  await until("up", () => store.health().state === "up");
  await store.close();
});

test("a lock that somebody holds on a header surely wrote nothing, and is no fault of the data", async () => {
  const store = await connected(database.url, 1_500);
  const owner = randomUUID();
  const start = startOf();
  await write(store, owner, [start]);
  await client.query("begin");
  await client.query("select from tripact.transaction where gid = $1 for update", [start.gid]);
  await assert.rejects(write(store, owner, [entryOf(start.gid, 2)]), { code: "store-unreachable" });
  await client.query("rollback");
  assert.deepEqual(await write(store, owner, [entryOf(start.gid, 2)]), ["applied"]);
  await store.close();
});

test("note 15: a flush that went silent is unknown, and its backend is gone before the next flush", async () => {
  const target = new URL(database.url);
  const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const store = await connected(url.href, 1_000);
  try {
    const owner = randomUUID();
    const start = startOf();
    await write(store, owner, [start]);
    const backends = async (): Promise<readonly number[]> =>
      (await client.query<{ pid: number }>("select pid from pg_stat_activity where datname = current_database() and application_name = 'tripact flush'")).rows.map(({ pid }) => pid);
    const [old] = await backends();
    await proxy.blackHole();
    const batch = { flushId: randomUUID(), owner, writes: [entryOf(start.gid, 2)] };
    await assert.rejects(store.journal.write(batch), { code: "store-unknown" });
    await until("down", () => store.health().state === "down");
    await assert.rejects(store.journal.write(batch), { code: "store-unreachable" });
    await proxy.pass();
    await until("a verdict", async () => {
      const verdicts = await store.journal.write(batch).catch(() => []);
      return verdicts[0] === "applied";
    });
    const now = await backends();
    assert.ok(now.length === 1 && now[0] !== old, "one backend, a new one");
    assert.equal((await readOne(store, start.gid)).entries.length, 2);
  } finally {
    await store.close();
    await proxy.close();
  }
});

test("while the server is away, each statement waits its own time and not that of everybody before it", async () => {
  const target = new URL(database.url);
  const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const store = await connected(url.href);
  try {
    await proxy.close();
    await until("down", () => store.health().state === "down");
    const beganMs = performance.now();
    const asked = Array.from({ length: 6 }, () => assert.rejects(store.journal.post("nobody", "{}"), { code: "store-unreachable" }));
    await Promise.all(asked);
    assert.ok(performance.now() - beganMs < 3_000, `${performance.now() - beganMs} ms`);
  } finally {
    await store.close();
  }
});

test("a session that is opened while the store is closed, or begins anew, is closed as well", async () => {
  const url = new URL(database.url);
  const name = `leaks ${randomUUID()}`;
  const sessions = async (): Promise<number> => {
    const { rows } = await client.query<{ count: string }>("select count(*) from pg_stat_activity where application_name like $1", [`${name}%`]);
    return Number(rows[0]?.count);
  };
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const options: ConnectionOptions = {
    ...{ pg: loadPg, url: url.href, place: "here", applicationName: name, connectTimeoutMs: 5_000, statementTimeoutMs: 5_000, settings: [] },
    commitLevel: () => "on",
    prepare: () => opened,
  };
  const [closing, resetting] = [new Connection(options), new Connection(options)];
  const opening = [closing.open(), resetting.open()].map((it) => it.catch((error: unknown) => error));
  await until("both are connected", async () => (await sessions()) === 2);
  await closing.close();
  await resetting.reset();
  open();
  assert.deepEqual((await Promise.all(opening)).map((error) => error instanceof TripactError && error.code), ["stopped", "not-connected"]);
  assert.equal(resetting.state, "new");
  await until("no session is left", async () => (await sessions()) === 0);
  await resetting.close();
});

test("a store that goes down says so once", async () => {
  const { hostname: host, port } = new URL(database.url);
  const proxy = await startProxy({ target: { host, port: Number(port) } });
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const store = await connected(url.href);
  await proxy.close();
  await until("it is down", () => store.health().state === "down");
  try {
    for (const work of [() => store.journal.counts(), () => write(store, randomUUID(), [startOf()])]) {
      const error = await work().then(() => assert.fail("there is no server"), (it: unknown) => it);
      assert.ok(error instanceof TripactError);
      assert.equal(error.message.match(/No connection to Postgres/g)?.length ?? 0, 1, error.message);
      assert.equal(error.message.match(/Nothing was written/g)?.length ?? 0, 1, error.message);
      assert.doesNotMatch(error.message, /\.\./);
    }
    const { detail = "" } = store.health();
    assert.doesNotMatch(detail, /Nothing was written|No connection to Postgres/);
  } finally {
    await store.close();
  }
});
