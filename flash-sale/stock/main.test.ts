import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, freshDatabase, spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import type { OrdersDoor, StockDoor, StockLevels } from "../contracts.ts";
import { asking, NotTaken } from "../service/ask.ts";
import { openDoor } from "../service/door.ts";

const TOKEN = "between services";
/** Longer than this test stands still, on a machine that has other things to do. */
const LEASE_MS = 2_000;
const file = fileURLToPath(new URL("main.ts", import.meta.url));

const database = await freshDatabase("stock_main");
const port = await freePort();
const origin = `http://127.0.0.1:${port}`;

/** The one question that a stock has for a purchase worker. */
const listed: { orderId: string; quantity: number }[] = [];
const ended: string[] = [];
const worker = openDoor<Pick<OrdersDoor, "/orders/end-chunk">>(
  {
    "/orders/end-chunk": {
      schema: { type: "object", properties: { chunk: { type: "string" } } },
      answer: async ({ chunk }) => {
        ended.push(chunk);
        return { open: listed };
      },
    },
  },
  { token: TOKEN, onError: assert.ifError },
);
const workerUrl = await worker.listen({ host: "127.0.0.1", port: 0 });

const stock = asking<StockDoor>(origin, TOKEN);
let running = await start("saga");
after(async () => {
  await running.killWhole();
  await stock.close();
  await worker.close();
  await database.drop();
});

async function start(mode: string): Promise<LeashedProcess> {
  const nowhere = "http://127.0.0.1:9";
  const child = await spawnLeashed({
    command: process.execPath,
    args: [...process.execArgv.filter((one) => !one.startsWith("--test")), file],
    env: {
      ...process.env,
      DATABASE_URL: database.url, PORT: String(port), TOKEN, MODE: mode, LEASE_MS: String(LEASE_MS),
      ORDERS_URLS: `${nowhere},${workerUrl}`, STOCK_URL: origin, PAYMENT_URL: nowhere, PROVIDER_URL: nowhere,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.ok(child.stdout !== null);
  const [line] = await once(createInterface(child.stdout), "line", { signal: AbortSignal.timeout(20_000) });
  assert.equal(line, "ready stock");
  return child;
}

async function levels(sku: string): Promise<StockLevels> {
  const found = await stock.ask("/stock/levels", { sku });
  assert.ok(found.kind === "found");
  return found.levels;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const capMs = performance.now() + 20_000;
  while (!(await holds())) {
    assert.ok(performance.now() < capMs, "it never came to be");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function lease(sku: string, units: number): Promise<string> {
  const leased = await stock.ask("/stock/lease-chunk", { gateway: "g1", sku, units });
  assert.ok(leased.kind === "leased");
  assert.deepEqual({ units: leased.units, leaseMs: leased.leaseMs }, { units, leaseMs: LEASE_MS });
  return leased.chunk;
}

const refused = (status: number) => (error: unknown) => error instanceof NotTaken && error.status === status;

test("an item is opened once, and a no is told as one", async () => {
  assert.deepEqual(await stock.ask("/stock/levels", { sku: "lamp" }), { kind: "unknown" });
  for (const _ of [1, 2]) assert.deepEqual(await stock.ask("/stock/open-item", { sku: "lamp", units: 10 }), { kind: "open" });
  await assert.rejects(stock.ask("/stock/open-item", { sku: "lamp", units: 11 }), refused(409));
  assert.deepEqual(await levels("lamp"), { initial: 10, free: 10, leased: 0, held: 0, sold: 0 });
});

test("what cannot be asked is refused at the door", async () => {
  const wrong: readonly object[] = [{ sku: "lamp" }, { sku: "", units: 1 }, { sku: "lamp", units: -1 }, { sku: "lamp", units: 1.5 }, { sku: "lamp", units: 2 ** 31 }];
  for (const question of wrong) await assert.rejects(stock.ask("/stock/open-item", question as { sku: string; units: number }), refused(400), JSON.stringify(question));
  await assert.rejects(stock.ask("/stock/lease-chunk", { gateway: "g1", sku: "lamp", units: 0 }), refused(400));
  const stranger = asking<StockDoor>(origin, "a guess");
  await assert.rejects(stranger.ask("/stock/levels", { sku: "lamp" }), refused(401));
  await stranger.close();
});

test("a gateway that falls silent loses its chunk, but for what is on its way; one that is heard does not", async () => {
  await stock.ask("/stock/open-item", { sku: "vase", units: 10 });
  listed.push({ orderId: "on-its-way", quantity: 2 });
  const [silent, heard] = [await lease("vase", 4), await lease("vase", 6)];
  assert.deepEqual(await stock.ask("/stock/lease-chunk", { gateway: "g1", sku: "vase", units: 1 }), { kind: "none" });
  const renew = async () => (await stock.ask("/stock/renew-chunks", { gateway: "g1", chunks: [heard] })).open;
  await until(async () => {
    assert.deepEqual(await renew(), [heard]);
    return (await levels("vase")).free > 0;
  });
  assert.deepEqual(await levels("vase"), { initial: 10, free: 2, leased: 8, held: 0, sold: 0 });
  assert.deepEqual(new Set(ended), new Set([silent]));

  listed.length = 0;
  assert.deepEqual(await stock.ask("/stock/end-chunks", { chunks: [heard] }), { kind: "ending" });
  assert.deepEqual(await renew(), []);
  await until(async () => (await levels("vase")).free === 10);
});

test("it ends when it is told to, and comes back to what it had", async () => {
  const before = await levels("lamp");
  running.kill("SIGTERM");
  assert.deepEqual(await running.waitForExit(), { code: 0, signal: null });
  running = await start("naive");
  assert.deepEqual(await levels("lamp"), before);
});
