import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { startPostgres, startProxy, type PostgresServer, type TcpProxy } from "@tripact/testbed";
import { Client } from "pg";
import { faultNamed } from "../all.ts";
import type { Heal } from "../fault.ts";

let server: PostgresServer;
let proxy: TcpProxy;
before(async () => {
  server = await startPostgres({ settings: { max_connections: "16", superuser_reserved_connections: "3", autovacuum: "off" } });
  proxy = await startProxy({ target: server });
});
after(async () => {
  await proxy.close();
  await server.remove();
});

async function inject(t: TestContext, name: string, victim: string, endpoint: "proxied" | "direct" = "proxied"): Promise<Heal> {
  const fault = faultNamed(name) ?? assert.fail(name);
  assert.ok(fault.victimsIn("saga").includes(victim), `${name} may hit ${victim}`);
  const scene = { platform: { processes: new Map(), wires: [] }, databases: { proxy: endpoint === "proxied" ? proxy : undefined, disk: undefined, primary: server }, watch: { timeline: [], state: "watching" as const } };
  const heal = await fault.inject({ ...scene, random: () => 0 }, victim);
  t.after(heal);
  return heal;
}

/** Through the one address, as everybody. */
async function connected(t: TestContext, application: string): Promise<Client> {
  const url = new URL(server.url());
  url.port = String(proxy.port);
  const client = new Client({ connectionString: url.href, application_name: application, query_timeout: 20_000, connectionTimeoutMillis: 20_000 });
  client.on("error", () => undefined);
  await client.connect();
  t.after(() => client.end().catch(() => undefined));
  return client;
}

test("cut after commit: it is there, and whoever committed hears a reset; so many times and no more", async (t) => {
  const onlooker = new Client({ connectionString: server.url() });
  await onlooker.connect();
  t.after(() => onlooker.end());
  await onlooker.query("create table sold (unit int)");
  const busy = await connected(t, "busy");
  const heal = await inject(t, "cut-after-commit", "postgres");
  const heard: string[] = [];
  const sell = async (client: Client, unit: number): Promise<void> => {
    // By turns in a transaction, and by itself.
    const statements = unit % 2 === 0 ? ["begin", `insert into sold values (${unit})`, "commit"] : [`insert into sold values (${unit})`];
    for (const [index, statement] of statements.entries()) {
      const isLast = index === statements.length - 1;
      await client.query(statement).then(() => isLast && heard.push("done"), () => heard.push(isLast ? "lost" : `lost at ${statement}`));
    }
  };
  await sell(busy, 0);
  for (let unit = 1; unit < 15; unit += 1) await sell(await connected(t, "one"), unit);
  assert.deepEqual(heard, [...Array.from({ length: 12 }, () => "lost"), "done", "done", "done"]);
  assert.deepEqual((await onlooker.query("select unit from sold order by unit")).rows.map(({ unit }) => unit), Array.from({ length: 15 }, (_, unit) => unit));
  await heal();
  await heal();
});

test("cut after commit: a roll back is heard, and healed before the next commit nothing is cut", async (t) => {
  const heal = await inject(t, "cut-after-commit", "postgres");
  const client = await connected(t, "one");
  for (const statement of ["create table kept (unit int)", "begin", "insert into kept values (1)", "rollback"]) await client.query(statement);
  // It is healed, and says that it has hit nothing.
  await assert.rejects(heal(), { code: "nothing-to-hit" });
  await heal();
  await client.query("insert into kept values (2)");
  assert.deepEqual((await client.query("select unit from kept")).rows, [{ unit: 2 }]);
});

test("cut after commit needs the one address", async (t) => {
  await assert.rejects(inject(t, "cut-after-commit", "postgres", "direct"), { code: "nothing-to-hit" });
});

test("pool exhausted: the worker loses its sessions and gets none, the others keep theirs; healed there is room again", async (t) => {
  const lost = [await connected(t, "orders-1"), await connected(t, "orders-1 flush")];
  const kept = [await connected(t, "orders-2"), await connected(t, "orders-10 flush")];
  const reconnecting = connectingAgain("orders-1");
  t.after(() => reconnecting.stop());
  await reconnecting.once;
  const heal = await inject(t, "pool-exhausted", "orders-1");
  for (const client of lost) await assert.rejects(client.query("select 1"));
  for (const client of kept) assert.equal((await client.query("select 1")).rowCount, 1);
  await assert.rejects(connected(t, "orders-1"), { code: "53300" });
  await assert.rejects(connected(t, "stock"), { code: "53300" });
  const sessionsOfIt = await kept[0]?.query("select from pg_stat_activity where application_name like 'orders-1' or application_name like 'orders-1 %'");
  assert.equal(sessionsOfIt?.rowCount, 0);
  const again = reconnecting.again();
  await heal();
  await heal();
  await untilNoneIsHeld(kept[0] ?? assert.fail());
  await again;
});

test("pool exhausted: who has no session cannot lose it, and nothing stays held", async (t) => {
  await assert.rejects(inject(t, "pool-exhausted", "orders-2"), { code: "nothing-to-hit", message: /orders-2 has no session/ });
  await untilNoneIsHeld(await connected(t, "anybody"));
});

/** Three sessions that are opened anew as soon as they are lost or refused, as a service's are. */
function connectingAgain(application: string) {
  const first = Promise.withResolvers<void>();
  const url = new URL(server.url());
  url.port = String(proxy.port);
  let stopped = false;
  let heard = first;
  const keep = async (): Promise<void> => {
    while (!stopped) {
      const client = new Client({ connectionString: url.href, application_name: application, connectionTimeoutMillis: 5_000 });
      const ended = new Promise<void>((resolve) => client.once("end", resolve));
      client.on("error", () => undefined);
      try {
        await client.connect();
        open.add(client);
        heard.resolve();
        if (stopped) void client.end();
        await ended;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 1));
      } finally {
        open.delete(client);
      }
    }
  };
  const open = new Set<Client>();
  const loops = [keep(), keep(), keep()];
  return {
    once: first.promise,
    again: (): Promise<void> => {
      heard = Promise.withResolvers<void>();
      return heard.promise;
    },
    stop: async (): Promise<void> => {
      stopped = true;
      for (const client of open) void client.end().catch(() => undefined);
      await Promise.all(loops);
    },
  };
}

async function untilNoneIsHeld(witness: Client): Promise<void> {
  const held = async (): Promise<number | null> => (await witness.query("select from pg_stat_activity where application_name = 'lab-pool-exhausted'")).rowCount;
  for (let look = 0; look < 1_000 && (await held()) !== 0; look += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(await held(), 0);
}
