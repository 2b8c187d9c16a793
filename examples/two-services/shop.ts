import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { freePort, freshDatabase, spawnLeashed, type FreshDatabase, type LeashedProcess } from "@tripact/testbed";
import pg from "pg";
import type { Address } from "./events.ts";
import { openOrders, type OrderService } from "./orders/service.ts";

/** A service that runs in a process of its own, and comes back at the same address. */
export interface RemoteService {
  readonly address: Address;
  /** SIGKILL: it cannot finish what it was doing. */
  kill(): Promise<void>;
  /** SIGTERM: it ends what it has begun. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface Shop extends OrderService {
  readonly stock: RemoteService;
  readonly mailer: RemoteService;
  /** A pool per database, to fill them, and to count what is in them. */
  readonly databases: { readonly stock: pg.Pool; readonly payment: pg.Pool; readonly orders: pg.Pool; readonly mailer: pg.Pool };
  /** Stops everything and deletes the databases. */
  close(): Promise<void>;
}

/** Four databases on one Postgres, three services in processes of their own, and the order service in this one. */
export async function openShop(): Promise<Shop> {
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const undo of closing.splice(0).toReversed()) await undo();
  };
  try {
    const databases = {
      stock: await freshDatabase("example_stock"),
      payment: await freshDatabase("example_payment"),
      orders: await freshDatabase("example_orders"),
      mailer: await freshDatabase("example_mailer"),
    };
    closing.push(async () => {
      for (const database of Object.values(databases)) await database.drop();
    });
    const mailer = await openService("./mailer/service.ts", "/events", databases.mailer);
    closing.push(() => mailer.stop());
    const stock = await openService("./stock/service.ts", "/stock", databases.stock, { MAILER_URL: mailer.address.url, MAILER_SECRET: mailer.address.secret });
    closing.push(() => stock.stop());
    const payment = await openService("./payment/service.ts", "/wallet", databases.payment);
    closing.push(() => payment.stop());
    const orders = await openOrders(databases.orders.url, { stock: stock.address, payment: payment.address, mailer: mailer.address });
    closing.push(() => orders.stop());
    const pools = { stock: poolOf(databases.stock), payment: poolOf(databases.payment), orders: poolOf(databases.orders), mailer: poolOf(databases.mailer) };
    closing.push(async () => {
      for (const pool of Object.values(pools)) await pool.end();
    });
    return { ...orders, stock, mailer, databases: pools, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openService(file: string, path: string, database: FreshDatabase, settings: Readonly<Record<string, string>> = {}): Promise<RemoteService> {
  const port = await freePort();
  const secret = randomBytes(32).toString("hex");
  const env = { ...process.env, DATABASE_URL: database.url, PORT: String(port), SECRET: secret, ...settings };
  let running: LeashedProcess | undefined;
  const service: RemoteService = {
    address: { url: `http://127.0.0.1:${port}${path}`, secret },
    start: async () => {
      running = await spawnLeashed({
        command: process.execPath,
        args: [...process.execArgv, fileURLToPath(new URL(file, import.meta.url))],
        env,
        stdio: ["ignore", "pipe", "inherit"],
      });
      await untilReady(running, file);
    },
    kill: async () => {
      await running?.killWhole();
      running = undefined;
    },
    stop: async () => {
      running?.kill("SIGTERM");
      await running?.exited;
      running = undefined;
    },
  };
  await service.start();
  return service;
}

async function untilReady({ stdout, exited }: LeashedProcess, file: string): Promise<void> {
  const ended = exited.then(({ code, signal }) => {
    throw new Error(`${file} ended with ${signal ?? code} before it was ready`);
  });
  if (stdout !== null) await Promise.race([once(stdout, "data"), ended]);
  ended.catch(() => undefined); // later it may end as it likes
}

function poolOf({ url }: FreshDatabase): pg.Pool {
  return new pg.Pool({ connectionString: url });
}
