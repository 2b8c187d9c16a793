import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import test, { after } from "node:test";
import { Client } from "pg";
import { livingProcesses, stillAlive } from "../leash/process-table.ts";
import { startPostgres, type PostgresServer } from "./postgres.ts";

const server = await startPostgres({ settings: { max_connections: "20", log_line_prefix: "it's " } });
after(() => server.remove());

test("a killed server comes back on its port with every commit; a stopped one too", async () => {
  const port = server.port;
  await query(server, "create table kept (id int)");
  await query(server, "insert into kept values (1)");

  // Too busy to notice its postmaster's death by itself.
  const busy = new Client({ connectionString: server.url() });
  busy.on("error", () => {});
  await busy.connect();
  const killed = assert.rejects(busy.query("do $$ begin loop end loop; end $$"));
  const postmaster = server.pid;
  assert.ok(postmaster !== undefined);
  const doomed = [postmaster, ...livingProcesses().filter((row) => row.parentPid === postmaster).map((row) => row.pid)];
  await server.crash();
  assert.deepEqual(stillAlive(doomed), []);
  await killed;
  await assert.rejects(query(server, "select 1"), { code: "ECONNREFUSED" });

  await server.start();
  await query(server, "insert into kept values (2)");
  await server.stop("fast");
  await server.stop("fast");
  await server.start();
  assert.equal(server.port, port);
  assert.deepEqual(await query(server, "select id from kept order by id"), [{ id: 1 }, { id: 2 }]);
});

test("it keeps Postgres's durability, takes extra settings, and lets nobody in without its password", async () => {
  const settings = await query(
    server,
    `select name, setting from pg_settings
      where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'max_connections', 'listen_addresses', 'log_line_prefix') order by name`,
  );
  assert.deepEqual(settings, [
    { name: "fsync", setting: "on" },
    { name: "full_page_writes", setting: "on" },
    { name: "listen_addresses", setting: "127.0.0.1" },
    { name: "log_line_prefix", setting: "it's " },
    { name: "max_connections", setting: "20" },
    { name: "synchronous_commit", setting: "on" },
  ]);
  const [row] = await query(server, "select current_setting('server_version') as version");
  assert.deepEqual(row, { version: server.version });
  for (const password of ["", "postgres", "wrong"]) {
    const stranger = new Client({ host: server.host, port: server.port, user: "postgres", database: "postgres", password });
    await assert.rejects(stranger.connect(), /password/);
  }
});

test("an ordinary role and a database of its own", async () => {
  await server.createDatabase("shop");
  await server.createUser("clerk");
  const client = new Client({ connectionString: server.url("shop", "clerk") });
  await client.connect();
  const { rows } = await client.query("select current_user::text as who, current_database()::text as place");
  await client.end();
  assert.deepEqual(rows, [{ who: "clerk", place: "shop" }]);
  await assert.rejects(server.createDatabase("no; drop"), /not a plain lower-case SQL name/);
});

test("servers share one system identifier unless one is initialised afresh, and each is removed without a trace", async () => {
  const others = await Promise.all([startPostgres(), startPostgres({ initialise: "afresh" })]);
  const [own, copied, afresh] = await Promise.all(
    [server, ...others].map((each) => query(each, "select system_identifier from pg_control_system()")),
  );
  assert.deepEqual(copied, own);
  assert.notDeepEqual(afresh, own);
  await Promise.all(others.map((each) => each.remove()));
  assert.deepEqual(others.filter((each) => existsSync(each.dataFolder)), []);
});

test("a server that cannot start says why", async () => {
  await assert.rejects(startPostgres({ settings: { no_such_setting: "1" } }), /no_such_setting/);
});

async function query(on: PostgresServer, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: on.url() });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
