import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, afterEach, before, test } from "node:test";
import { removeLeashedFolder, stillAlive } from "@tripact/testbed";
import { Client } from "pg";
import { startDatabases, type Databases } from "./databases.ts";
import { MODE_NAMES, rowsOf } from "./mode-processes.ts";
import { fixtureServices } from "./services.fixture.ts";
import { startPlatform, type Platform, type PlatformOptions } from "./platform.ts";

let databases: Databases;
let servicesFolder: string;
const mine: Platform[] = [];
before(async () => {
  databases = await startDatabases({ servers: "single", endpoint: "proxied" });
  servicesFolder = fixtureServices();
});
afterEach(async () => {
  await Promise.all(mine.splice(0).map((platform) => platform.stop()));
});
after(async () => {
  await databases.stop();
  removeLeashedFolder(servicesFolder);
});

async function platformIn(mode: PlatformOptions["mode"], more: Partial<PlatformOptions> = {}): Promise<Platform> {
  const platform = await startPlatform({ mode, databases, servicesFolder, seed: 7, ...more });
  mine.push(platform);
  return platform;
}

const sale = { sku: "lamp", units: 10, cents: 500, limitPerBuyer: 1, paymentWindowMs: 1_000, opensAt: 0, closesAt: 4_000_000_000_000 };

async function databaseNames(): Promise<readonly string[]> {
  const client = new Client({ connectionString: databases.primary.url() });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>("select datname from pg_database where datname ~ '^(orders|stock|payment)_'");
  await client.end();
  return rows.map(({ datname }) => datname);
}

async function settingsOfProcess(platform: Platform, name: string): Promise<Record<string, string>> {
  const { settings } = (await (await fetch(`${platform.origins[name]}/health`)).json()) as { settings: Record<string, string> };
  return settings;
}

test("relays run only where messages do", () => {
  const relayed = MODE_NAMES.filter((mode) => rowsOf(mode).some(({ kind }) => kind === "relay"));
  assert.deepEqual(relayed, ["choreography", "outbox"]);
  for (const mode of MODE_NAMES) assert.equal(rowsOf(mode).filter(({ kind }) => kind === "orders").length, 2);
});

test("it comes up in a mode, sells by the admin's door, and leaves nothing when it is stopped", async () => {
  const platform = await platformIn("outbox");
  const pids = [...platform.processes.values()].map(({ pid }) => pid ?? 0);
  assert.equal(stillAlive(pids).length, 8);
  assert.equal((await databaseNames()).length, 3);
  assert.deepEqual(Object.keys(platform.cpuMs()), ["postgres", ...platform.processes.keys()]);
  await platform.openSale(sale);
  await platform.stop();
  await platform.stop();
  assert.deepEqual(stillAlive(pids), []);
  assert.deepEqual(await databaseNames(), []);
});

test("every process finds the others, and its own database by way of the proxy", async () => {
  const platform = await platformIn("saga", { extra: { gateway: { RATE_PER_SECOND: "9" } } });
  const stock = await settingsOfProcess(platform, "stock");
  assert.equal(stock["ORDERS_URLS"], `${platform.origins["orders-1"]},${platform.origins["orders-2"]}`);
  assert.equal(stock["PAYMENT_URL"], platform.origins["payment"]);
  assert.equal(stock["DATABASE_URL"], platform.databaseUrls.stock);
  assert.equal(new URL(platform.databaseUrls.stock).port, String(databases.proxy?.port));
  const client = new Client({ connectionString: platform.databaseUrls.stock });
  await client.connect();
  assert.equal((await client.query<{ found: boolean }>("select current_database() ~ '^stock_' as found")).rows[0]?.found, true);
  await client.end();
  assert.equal((await settingsOfProcess(platform, "orders-2"))["WORKER"], "orders-2");
  const gateway = await settingsOfProcess(platform, "gateway-1");
  assert.equal(gateway["RATE_PER_SECOND"], "9");
  assert.equal(gateway["DATABASE_URL"], undefined);
  assert.equal((await settingsOfProcess(platform, "provider"))["SEED"], "7");
});

test("a wire lies between two kinds and nobody else; what the mode does not have is passed over", async () => {
  const platform = await platformIn("saga", { wires: [{ from: "orders", to: "stock" }, { from: "orders", to: "stock" }, { from: "relay", to: "stock" }] });
  assert.deepEqual(platform.wires.map(({ from, toName }) => `${from} ${toName}`), ["orders stock"]);
  const [wire] = platform.wires;
  const orders = await settingsOfProcess(platform, "orders-1");
  assert.equal(orders["STOCK_URL"], `http://127.0.0.1:${wire?.proxy.port}`);
  assert.equal((await settingsOfProcess(platform, "gateway-1"))["STOCK_URL"], platform.origins["stock"]);
  assert.equal((await fetch(`${orders["STOCK_URL"]}/health`)).status, 200);
  await wire?.proxy.refuse();
  await assert.rejects(fetch(`${orders["STOCK_URL"]}/health`));
  assert.equal((await fetch(`${platform.origins["stock"]}/health`)).status, 200);
  await platform.stop();
  assert.equal(wire?.proxy.openConnections, 0);
});

test("one that cannot start takes the others with it, and is named", async () => {
  const started = platformIn("saga", { extra: { payment: { FIXTURE: "ends", WORKER: "payment" } } });
  await assert.rejects(started, { code: "not-ready", message: /^payment ended with code 3/ });
  assert.deepEqual(await databaseNames(), []);
});

test("a start that is broken off leaves nothing", async () => {
  const breaking = new AbortController();
  let heard = 0;
  const starting = platformIn("saga", {
    extra: { gateway: { FIXTURE: "hangs" } },
    signal: breaking.signal,
    onLine: (name) => {
      if (name !== "gateway-1") return;
      heard += 1;
      breaking.abort();
    },
  });
  await assert.rejects(starting, { code: "stopped" });
  assert.equal(heard, 1);
  assert.deepEqual(await databaseNames(), []);
});

test("a gateway's port that somebody else has is named before anything starts, with what to do", async () => {
  const other = createServer().listen(0, "127.0.0.1").unref();
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  await assert.rejects(platformIn("saga", { gatewayPort: port }), {
    code: "port-in-use",
    message: `port ${port} of 127.0.0.1 cannot be had (in use by another program): stop that program, or choose another port for the gateway with --port`,
  });
  assert.deepEqual(await databaseNames(), []);
  other.close();
});

test("a second platform at the same port finds nothing of the first in its way", async () => {
  const first = await platformIn("saga");
  const port = Number(new URL(first.origin).port);
  await first.stop();
  const second = await platformIn("tcc", { gatewayPort: port });
  assert.equal(second.origin, first.origin);
  await second.openSale(sale);
});

test("a sale that is refused is an error with the gateway's own words", async () => {
  const platform = await platformIn("saga", { extra: { gateway: { ADMIN_TOKEN: "another" } } });
  await assert.rejects(platform.openSale(sale), { code: "sale-not-opened", message: /the sale lamp: 401/ });
});
