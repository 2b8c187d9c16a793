import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import test, { type TestContext } from "node:test";
import { Client } from "pg";
import { livingProcesses } from "../leash/process-table.ts";
import { startPostgres, type PostgresServer } from "../postgres/postgres.ts";
import { startPair, type PostgresPair } from "../postgres/standby.ts";
import { startProxy, type TcpProxy } from "../proxy/tcp-proxy.ts";
import { startFailover, type FailoverOptions } from "./failover.ts";
import { probeName, type Probed } from "./probe.ts";
import { startRestarts } from "./restarts.ts";
import type { Watch } from "./watchdog.ts";

const failoverSteps = ["suspected", "declared", "fenced", "promoted", "repointed", "writable"];

test("a killed primary: its clients are cut off, and through the same endpoint they write again", async (t) => {
  const { pair, endpoint, failover } = await watchedPair(t);
  const client = await dial(endpoint, pair.primary);
  await client.query("create table sold (unit int)");
  await client.query("insert into sold values (1)");
  const cut = new Promise((resolve) => client.once("end", resolve));

  await pair.primary.crash();
  await until(() => kindsOf(failover).at(-1) === "writable");
  await cut;
  assert.deepEqual(kindsOf(failover), failoverSteps);
  const times = failover.timeline.map(({ atMs }) => atMs);
  assert.deepEqual(times, times.toSorted((a, b) => a - b));
  const again = await dial(endpoint, pair.standby);
  await again.query("insert into sold values (2)");
  assert.deepEqual((await again.query("select unit from sold order by unit")).rows, [{ unit: 1 }, { unit: 2 }]);
  await again.end();

  await Promise.all([failover.stop(), failover.stop()]);
  await failover.stop();
  assert.equal(failover.state, "stopped");
  await untilNoProbe(pair.standby);
  await until(() => endpoint.openConnections === 0);
});

test("a connection that does not hear of its server's death is reset all the same", async (t) => {
  const { pair, endpoint, failover } = await watchedPair(t);
  const deaf = createServer((socket) => socket.on("error", () => {})); // it is cut as well
  t.after(() => deaf.close());
  deaf.listen(0, "127.0.0.1");
  await once(deaf, "listening");
  // In place of a primary whose end does not come through the network.
  endpoint.retarget({ host: "127.0.0.1", port: (deaf.address() as AddressInfo).port });
  const socket = connect(endpoint.port, endpoint.host);
  const cut = once(socket, "error");
  await once(deaf, "connection");
  await pair.primary.crash();
  await until(() => kindsOf(failover).at(-1) === "writable");
  assert.match(String(await cut), /ECONNRESET/);
});

test("a primary that is silent for less than the threshold stays the primary", async (t) => {
  const pair = await startPair();
  const endpoint = await startProxy({ target: pair.primary });
  const seen: Probed[] = [];
  const failover = await startFailover({ pair, endpoint, probeTimeoutMs: 50, failuresInRow: 1_000, onProbe: (probed) => seen.push(probed) });
  t.after(() => removed(pair, endpoint, failover));
  const client = await dial(endpoint, pair.primary);
  const pids = wholeOf(pair.primary);
  for (const pid of pids) process.kill(pid, "SIGSTOP");
  try {
    await until(() => seen.filter(({ kind }) => kind === "failed").length >= 2);
  } finally {
    for (const pid of pids) process.kill(pid, "SIGCONT");
  }
  await until(() => seen.at(-1)?.kind === "answered");
  await client.query("create table still_here (unit int)");
  await client.end();
  assert.deepEqual([failover.timeline, failover.falseSuspicions >= 1, failover.state], [[], true, "watching"]);
});

test("a primary behind a black hole is killed before the standby takes over", async (t) => {
  const pair = await startPair();
  const network = await startProxy({ target: pair.primary });
  const endpoint = await startProxy({ target: network });
  const failover = await startFailover({ pair, endpoint, primaryAt: network });
  t.after(async () => {
    await removed(pair, endpoint, failover);
    await network.close();
  });
  const client = await dial(endpoint, pair.primary);
  const hanging = client.query("select 1").then(() => client.query("select pg_sleep(600)"));
  const cut = assert.rejects(hanging, /ECONNRESET|terminated/);
  await network.blackHole();
  await until(() => kindsOf(failover).at(-1) === "writable");
  assert.deepEqual(kindsOf(failover), failoverSteps);
  await cut;
  assert.equal(pair.primary.pid, undefined, "the old primary still runs");
  const again = await dial(endpoint, pair.standby);
  await again.query("create table moved (unit int)");
  await again.end();
});

test("the second death is said once, and nothing more is done", async (t) => {
  const { pair, endpoint, failover } = await watchedPair(t);
  await pair.primary.crash();
  await until(() => kindsOf(failover).at(-1) === "writable");
  await pair.standby.crash();
  await until(() => failover.state === "gave-up");
  assert.deepEqual(kindsOf(failover), [...failoverSteps, "suspected", "declared", "gave-up"]);
  assert.deepEqual([failover.timeline.at(-1)?.death, failover.timeline.at(-1)?.detail], [2, "no standby is left"]);
  await failover.stop();
  assert.equal(failover.state, "gave-up");
  await until(() => endpoint.openConnections === 0);
});

test("a standby that died first is said, and the primary's death ends the watch", async (t) => {
  const { pair, failover } = await watchedPair(t);
  await pair.standby.crash();
  await pair.primary.crash();
  await until(() => failover.state === "gave-up");
  assert.deepEqual(kindsOf(failover), ["suspected", "declared", "fenced", "gave-up"]);
  assert.match(failover.timeline.at(-1)?.detail ?? "", /the standby .* is down/);
});

test("a promotion that hangs is given up", async (t) => {
  const { pair, failover } = await watchedPair(t, { stepCapMs: 500 });
  for (const pid of wholeOf(pair.standby)) process.kill(pid, "SIGSTOP");
  await pair.primary.crash();
  await until(() => failover.state === "gave-up");
  assert.match(failover.timeline.at(-1)?.detail ?? "", /promoting the standby took more than 500 ms/);
});

test("without a standby the same server is started again, with what was committed, so many times", async (t) => {
  const { server, endpoint } = await lonely(t);
  const restarts = await startRestarts({ server, endpoint, restartsMax: 1 });
  t.after(() => restarts.stop());
  const client = await dial(endpoint, server);
  await client.query("create table sold as select 1 as unit");
  await server.crash();
  await until(() => kindsOf(restarts).at(-1) === "writable");
  assert.deepEqual(kindsOf(restarts), ["suspected", "declared", "fenced", "restarted", "repointed", "writable"]);
  const again = await dial(endpoint, server);
  assert.deepEqual((await again.query("select unit from sold")).rows, [{ unit: 1 }]);
  await again.end();

  await server.crash();
  await until(() => restarts.state === "gave-up");
  assert.equal(restarts.timeline.at(-1)?.detail, "it was restarted 1 times, and is dead again");
  assert.equal(server.pid, undefined);
});

test("a server that has no room for one more session is alive", async (t) => {
  const { server, endpoint } = await lonely(t, { max_connections: "4", superuser_reserved_connections: "0" });
  const network = await startProxy({ target: server });
  const seen: Probed[] = [];
  const restarts = await startRestarts({ server, endpoint, serverAt: network, failuresInRow: 1_000, onProbe: (probed) => seen.push(probed) });
  t.after(async () => {
    await restarts.stop();
    await network.close();
  });
  await network.refuse();
  network.resetOpen();
  await until(() => seen.at(-1)?.kind === "failed");
  const first = await dial(server, server);
  await until(async () => (await first.query("select from pg_stat_activity where backend_type = 'client backend'")).rowCount === 1);
  const others = [await dial(server, server), await dial(server, server), await dial(server, server)];
  await assert.rejects(dial(server, server), { code: "53300" });
  await network.pass();
  await until(() => seen.at(-1)?.kind === "answered");
  for (const client of [first, ...others]) await client.end();
});

test("what cannot be watched is refused at the door", async (t) => {
  const { server, endpoint } = await lonely(t);
  for (const name of ["probeEveryMs", "confirmEveryMs", "probeTimeoutMs", "failuresInRow"] as const) {
    await assert.rejects(startRestarts({ server, endpoint, [name]: 0 }), { name: "RangeError", message: new RegExp(name) });
  }
  await server.crash();
  await assert.rejects(startRestarts({ server, endpoint }), /does not answer: .*ECONNREFUSED/);
});

async function watchedPair(t: TestContext, options: Partial<FailoverOptions> = {}): Promise<{ pair: PostgresPair; endpoint: TcpProxy; failover: Watch }> {
  const pair = await startPair();
  const endpoint = await startProxy({ target: pair.primary });
  const failover = await startFailover({ pair, endpoint, ...options });
  t.after(() => removed(pair, endpoint, failover));
  return { pair, endpoint, failover };
}

async function removed(pair: PostgresPair, endpoint: TcpProxy, watch: Watch): Promise<void> {
  await watch.stop();
  await endpoint.close();
  await pair.remove();
}

async function lonely(t: TestContext, settings: Record<string, string> = {}): Promise<{ server: PostgresServer; endpoint: TcpProxy }> {
  const server = await startPostgres({ settings });
  const endpoint = await startProxy({ target: server });
  t.after(async () => {
    await endpoint.close();
    await server.remove();
  });
  return { server, endpoint };
}

function kindsOf(watch: Watch): string[] {
  return watch.timeline.map(({ kind }) => kind);
}

/** The postmaster with all its children. */
function wholeOf({ pid }: PostgresServer): number[] {
  assert.ok(pid !== undefined);
  return [pid, ...livingProcesses().filter(({ parentPid }) => parentPid === pid).map((row) => row.pid)];
}

async function dial({ host, port }: { host: string; port: number }, server: PostgresServer): Promise<Client> {
  const url = new URL(server.url());
  url.host = `${host}:${port}`;
  const client = new Client({ connectionString: url.href });
  client.on("error", () => {}); // it is cut off when its server dies
  await client.connect();
  return client;
}

async function untilNoProbe(server: PostgresServer): Promise<void> {
  const client = await dial(server, server);
  await until(async () => (await client.query("select from pg_stat_activity where application_name = $1", [probeName])).rowCount === 0);
  await client.end();
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error("waited 30 s in vain");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
