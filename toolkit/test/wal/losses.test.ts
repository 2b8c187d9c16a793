import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test, { describe } from "node:test";
import { spawnLeashed, startPostgres, startProxy, type PostgresOptions, type PostgresServer } from "@tripact/testbed";
import type { Client } from "pg";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { connect, eventually, insert, LOGICAL, slots, untilOn, watchedRelay, type Watched } from "./scene.ts";

interface Scene {
  readonly server: PostgresServer;
  readonly client: Client;
}

async function withServer(settings: PostgresOptions["settings"], work: (scene: Scene) => Promise<void>): Promise<void> {
  const server = await startPostgres({ settings: { ...settings } });
  try {
    await migrate(server.url());
    const client = await connect(server);
    await work({ server, client });
    await client.end().catch(() => {});
  } finally {
    await server.remove();
  }
}

async function withRelay({ server, url = server.url() }: { readonly server: PostgresServer; readonly url?: string }, work: (watched: Watched) => Promise<void>): Promise<void> {
  const watched = await watchedRelay(url, true);
  try {
    await work(watched);
  } finally {
    await watched.relay.stop();
  }
}

async function arrives(watched: Watched, client: Client, payload: string): Promise<void> {
  await insert(client, payload);
  await eventually(() => watched.delivered.includes(payload), `${payload} is delivered`);
  assert.equal(watched.delivered.filter((it) => it === payload).length, 1);
}

async function activePid(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select active_pid as pid from pg_replication_slots where temporary and active");
  return rows[0]?.pid ?? assert.fail("no stream");
}

async function untilOff(watched: Watched, names: RegExp): Promise<void> {
  await eventually(() => watched.said().some((it) => names.test(it)), `it says ${names}; it said ${JSON.stringify(watched.said())}`);
}

describe("a stream that is lost comes back by itself, and says both", { concurrency: 2 }, () => {
  test("its walsender is killed; its slot cannot be dropped while that lives, and is gone when it is not", async () => {
    await withServer(LOGICAL, async (scene) => {
      await withRelay(scene, async (watched) => {
        const { client } = scene;
        await untilOn(watched);
        const [slot] = await slots(client);
        await assert.rejects(client.query("select pg_drop_replication_slot($1)", [slot]), { code: "55006" });
        await client.query("select pg_terminate_backend($1)", [await activePid(client)]);
        await eventually(async () => !(await slots(client)).includes(slot ?? ""), "the slot is gone");
        await untilOn(watched, 2);
        await arrives(watched, client, "after");
        assert.equal(watched.said().length, 3, watched.said().join("; "));
      });
    });
  });

  for (const how of ["fast", "crash"] as const) {
    test(`its server restarts (${how})`, async () => {
      await withServer(LOGICAL, async (scene) => {
        await withRelay(scene, async (watched) => {
          const { server } = scene;
          await untilOn(watched);
          if (how === "crash") await server.crash();
          else await server.stop("fast");
          await server.start();
          const client = await connect(server);
          await insert(client, "meanwhile");
          await untilOn(watched, 2);
          await eventually(() => watched.delivered.includes("meanwhile"), "what came meanwhile is delivered");
          await arrives(watched, client, "after");
          assert.equal(watched.said().length, 3, watched.said().join("; "));
          await client.end();
        });
      });
    });
  }

  test("its slot is invalidated by max_slot_wal_keep_size", async () => {
    await withServer({ ...LOGICAL, max_slot_wal_keep_size: "16MB" }, async (scene) => {
      await withRelay(scene, async (watched) => {
        const { server, client } = scene;
        await untilOn(watched);
        const writer = await connect(server);
        await writer.query("begin; create table held_back ()");
        for (let segment = 0; segment < 5; segment += 1) await client.query("select pg_logical_emit_message(false, 'fill', 'x'), pg_switch_wal()");
        await client.query("checkpoint");
        await untilOff(watched, /terminat|closed/);
        assert.ok((await readFile(server.logFile, "utf8")).includes("to release replication slot"), "it is the keep size that has ended it");
        await insert(client, "meanwhile");
        await writer.query("commit");
        await untilOn(watched, 2);
        await eventually(() => watched.delivered.includes("meanwhile"), "what came meanwhile is delivered");
        await arrives(watched, client, "after");
        await writer.end();
      });
    });
  });

  test("its server does not answer any more", async () => {
    await withServer(LOGICAL, async ({ server, client }) => {
      const proxy = await startProxy({ target: { host: server.host, port: server.port } });
      const url = new URL(server.url());
      url.port = String(proxy.port);
      await withRelay({ server, url: url.href }, async (watched) => {
        await untilOn(watched);
        await proxy.blackHole();
        await eventually(() => watched.said().length === 2, "it is noticed", 60_000);
        await eventually(async () => (await slots(client)).length === 0, "the server gives up as well", 60_000);
        await proxy.pass();
        await untilOn(watched, 2);
        await arrives(watched, client, "after");
      });
      await proxy.close();
    });
  });
});

describe("where there can be no stream, the setting is named once, and the stream begins when it is mended", { concurrency: 2 }, () => {
  test("wal_level = replica", async () => {
    await withServer({}, async (scene) => {
      await withRelay(scene, async (watched) => {
        const { server, client } = scene;
        await untilOff(watched, /wal_level = replica\. Needed: wal_level = logical/);
        await client.query("alter system set wal_level = logical");
        await server.stop("fast");
        await server.start();
        await untilOn(watched);
        const again = await connect(server);
        await arrives(watched, again, "after");
        assert.equal(watched.said().length, 2, watched.said().join("; "));
        await again.end();
      });
    });
  });

  test("no slot is free", async () => {
    await withServer({ ...LOGICAL, max_replication_slots: "1" }, async (scene) => {
      const { client } = scene;
      await client.query("select pg_create_physical_replication_slot('taken')");
      await withRelay(scene, async (watched) => {
        await untilOff(watched, /max_replication_slots = 1/);
        assert.equal(watched.relay.ready(), true);
        await client.query("select pg_drop_replication_slot('taken')");
        await untilOn(watched);
        await arrives(watched, client, "after");
        assert.equal(watched.said().length, 2, watched.said().join("; "));
      });
    });
  });

  test("no sender is free", async () => {
    await withServer({ ...LOGICAL, max_wal_senders: "1" }, async (scene) => {
      await withRelay(scene, async (first) => {
        await untilOn(first);
        await withRelay(scene, async (second) => {
          await untilOff(second, /max_wal_senders/);
          await first.relay.stop();
          await untilOn(second);
          await arrives(second, scene.client, "after");
        });
      });
    });
  });

  test("the role has no REPLICATION, and then no publication", async () => {
    await withServer(LOGICAL, async ({ server, client }) => {
      await server.createUser("relay");
      await client.query("grant usage on schema tripact to relay; grant all on all tables in schema tripact to relay; grant all on all sequences in schema tripact to relay");
      await withRelay({ server, url: server.url("postgres", "relay") }, async (watched) => {
        await untilOff(watched, /Needed: alter role … replication/);
        await client.query("alter role relay replication");
        await untilOff(watched, /publication tripact_outbox is missing/);
        const needed = /Needed: (.*) \(without/.exec(watched.said().at(-1) ?? "")?.[1] ?? assert.fail("no statement is offered");
        await client.query(needed);
        await untilOn(watched);
        await arrives(watched, client, "after");
        assert.equal(watched.said().length, 3, watched.said().join("; "));
      });
    });
  });

  test("somebody idles in a transaction that was open before: messages go on without the stream", async () => {
    await withServer(LOGICAL, async (scene) => {
      const { server, client } = scene;
      const idle = await connect(server);
      await idle.query("begin; create table idle ()");
      await withRelay(scene, async (watched) => {
        await eventually(async () => (await slots(client)).length === 1, "a slot waits for its beginning");
        assert.deepEqual(watched.said(), []);
        await insert(client, "meanwhile");
        watched.relay.wake();
        await eventually(() => watched.delivered.includes("meanwhile"), "a wake-up of another kind is enough");
        await idle.query("commit");
        await untilOn(watched);
        await arrives(watched, client, "after");
      });
      await idle.end();
    });
  });
});

describe("nothing is left behind", { concurrency: 2 }, () => {
  test("by a relay that stops while its slot still waits for a beginning", async () => {
    await withServer(LOGICAL, async (scene) => {
      const { server, client } = scene;
      const idle = await connect(server);
      await idle.query("begin; create table idle ()");
      await withRelay(scene, async () => {
        await eventually(async () => (await slots(client)).length === 1, "a slot waits for its beginning");
      });
      await idle.query("rollback");
      await eventually(async () => (await slots(client)).length === 0, "the slot is gone");
      await idle.end();
    });
  });

  test("by a relay that is killed", async () => {
    await withServer(LOGICAL, async ({ server, client }) => {
      const child = await spawnLeashed({ command: process.execPath, args: [new URL("./relay-process.ts", import.meta.url).pathname, server.url()], stdio: ["ignore", "inherit", "inherit"] });
      await eventually(async () => (await client.query("select from pg_replication_slots where active and confirmed_flush_lsn is not null")).rowCount === 1, "its stream is on");
      child.kill("SIGKILL");
      await child.waitForExit();
      await eventually(async () => (await slots(client)).length === 0, "its slot is gone");
    });
  });

  test("an idle stream keeps no log back: what it may forget moves on without a message", async () => {
    await withServer(LOGICAL, async (scene) => {
      await withRelay(scene, async (watched) => {
        const { client } = scene;
        await untilOn(watched);
        await client.query("create table unrelated as select generate_series(1, 10000) as n");
        const { rows } = await client.query<{ target: string }>("select pg_current_wal_flush_lsn()::text as target");
        const target = rows[0]?.target;
        await eventually(async () => (await client.query("select from pg_replication_slots where confirmed_flush_lsn >= $1::pg_lsn", [target])).rowCount === 1, "confirmed_flush_lsn has moved beyond it");
        assert.deepEqual(watched.said(), ["on"]);
      });
    });
  });
});
