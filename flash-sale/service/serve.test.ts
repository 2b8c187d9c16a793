import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, freshDatabase, spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import { Client } from "pg";
import type { StockDoor } from "../contracts.ts";
import { asking } from "./ask.ts";

// Services as processes, told to stop while calls are under way on connections that stay open.

const TOKEN = "between services";
const database = await freshDatabase("service_stop");
const client = new Client({ connectionString: database.url });
await client.connect();
const begun: LeashedProcess[] = [];
after(async () => {
  await Promise.all(begun.map((one) => one.killWhole()));
  await client.end();
  await database.drop();
});

const CALLS = 4;

test("told to stop: calls under way are answered, later ones refused, and no error is printed", async (t) => {
  const { service, port, errors } = await start("stock");
  const stock = asking<StockDoor>(`http://127.0.0.1:${port}`, TOKEN);
  t.after(() => stock.close());
  await stock.ask("/stock/open-item", { sku: "lamp", units: 10 });

  // Each call is two statements here, with the lock before the first of them: the second one still needs the pool.
  await client.query("begin; lock table item in access exclusive mode");
  const answers = Promise.allSettled(Array.from({ length: CALLS }, () => stock.ask("/stock/open-item", { sku: "lamp", units: 10 })));
  await until("they wait for the lock", async () => {
    const { rows } = await client.query("select 1 from pg_locks where relation = 'item'::regclass and not granted");
    return rows.length >= CALLS;
  });
  const answer = await askedWhileStopping(service, port, "/stock/levels", { sku: "lamp" });
  assert.match(answer, /^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*"code":"stopping"/is);

  await client.query("rollback");
  assert.deepEqual(await answers, Array.from({ length: CALLS }, () => ({ status: "fulfilled", value: { kind: "open" } })));
  assert.deepEqual(await service.waitForExit(), { code: 0, signal: null });
  assert.equal(await errors, "");
});

test("a gateway that stops tells buyers that nothing has happened", async () => {
  const { service, port } = await start("gateway");
  const answer = await askedWhileStopping(service, port, "/sales/lamp/purchases", { buyer: "ada", quantity: 1, requestId: "r1" });
  assert.match(answer, /^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*"kind":"overloaded".*nothing has happened/is);
  assert.deepEqual(await service.waitForExit(), { code: 0, signal: null });
});

async function start(kind: string): Promise<{ readonly service: LeashedProcess; readonly port: number; readonly errors: Promise<string> }> {
  const port = await freePort();
  const nobody = "http://127.0.0.1:9";
  const service = await spawnLeashed({
    command: process.execPath,
    args: [...process.execArgv.filter((one) => !one.startsWith("--test")), fileURLToPath(new URL(`../${kind}/main.ts`, import.meta.url))],
    env: { ...process.env, DATABASE_URL: database.url, PORT: String(port), TOKEN, ADMIN_TOKEN: TOKEN, MODE: "naive", ORDERS_URLS: nobody, STOCK_URL: nobody, PAYMENT_URL: nobody, PROVIDER_URL: nobody },
    stdio: ["ignore", "pipe", "pipe"],
  });
  begun.push(service);
  assert.ok(service.stdout !== null && service.stderr !== null);
  const errors = text(service.stderr);
  await once(createInterface(service.stdout), "line", { signal: AbortSignal.timeout(30_000) });
  return { service, port, errors };
}

/** A connection on which a request begins before the stop, and is whole only when the stop has begun; what is said to it. */
async function askedWhileStopping(service: LeashedProcess, port: number, path: string, question: object): Promise<string> {
  const late = await opened(port);
  // Both arrive together, so whoever has answered the first has read the second's beginning.
  late.write(`GET /health HTTP/1.1\r\nhost: service\r\n\r\nPOST ${path} HTTP/1.1\r\nhost: service\r\n`);
  await once(late, "data");
  late.pause();
  service.kill("SIGTERM");
  await until("it takes no more connections", async () => (await opened(port).catch(() => undefined))?.destroy() === undefined);
  const body = JSON.stringify(question);
  late.write(`authorization: Bearer ${TOKEN}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  return text(late);
}

async function opened(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const capMs = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < capMs, `it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
