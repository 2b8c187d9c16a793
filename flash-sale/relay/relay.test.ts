import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, freshDatabase, spawnLeashed, type FreshDatabase, type LeashedProcess } from "@tripact/testbed";
import { pgTransactions } from "tripact/barrier";
import { eventHandler, type Envelope } from "tripact/events";
import { send } from "tripact/outbox";
import { migrate } from "tripact/postgres";
import pg from "pg";
import { modeOf } from "../modes/index.ts";
import type { Outbox } from "../modes/mode.ts";
import { until } from "../modes/shop.fixture.ts";
import { openRelays, OUTBOXES } from "./relays.ts";

const token = "a-token-of-the-test";
const main = fileURLToPath(new URL("main.ts", import.meta.url));
const all: Readonly<Record<Outbox, string>> = { orders: "orders", stock: "stock", payment: "payment" };

describe("the relay's process", () => {
  const databases = new Map<Outbox, FreshDatabase>();
  const heard: { readonly by: string; readonly event: Envelope }[] = [];
  const servers: Server[] = [];
  let env: NodeJS.ProcessEnv;
  before(async () => {
    for (const name of OUTBOXES) databases.set(name, await freshDatabase(`relay_${name}`));
    const listen = async (by: string): Promise<string> => {
      const server = createServer(eventHandler({ secrets: [token], receive: (event) => void heard.push({ by, event }) })).listen(0, "127.0.0.1");
      await once(server, "listening");
      servers.push(server);
      const address = server.address();
      return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
    };
    env = {
      ...process.env,
      TOKEN: token,
      MODE: "outbox",
      // One of the two workers is down for the whole time.
      ORDERS_URLS: `http://127.0.0.1:${await freePort()},${await listen("orders")}`,
      STOCK_URL: await listen("stock"),
      PAYMENT_URL: await listen("payment"),
      PROVIDER_URL: "http://127.0.0.1:9",
    };
    for (const [name, { url }] of databases) env[`${name.toUpperCase()}_DATABASE_URL`] = url;
  });
  after(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    for (const database of databases.values()) await database.drop();
  });
  const start = (settings: NodeJS.ProcessEnv): Promise<LeashedProcess> =>
    spawnLeashed({ command: process.execPath, args: [...process.execArgv, main], env: settings, stdio: ["ignore", "pipe", "pipe"] });
  const hear = (stream: NodeJS.ReadableStream | null): (() => string) => {
    let text = "";
    stream?.on("data", (chunk: Buffer) => void (text += chunk.toString()));
    return () => text;
  };

  test("has nothing to do where no messages are sent, and says so", async () => {
    const child = await start({ ...env, MODE: "saga" });
    const said = hear(child.stderr);
    assert.equal((await child.exited).code, 1);
    assert.match(said(), /^relay: MODE is saga, which sends no messages/);
  });

  test("waits for the services' tables, carries what they send, and stops when it is told", async () => {
    const child = await start(env);
    const said = hear(child.stdout);
    for (const { url } of databases.values()) await migrate(url);
    await until("it is ready", async () => said() === "ready relay\n");
    const tell = async (from: Outbox, topic: string): Promise<void> => {
      const pool = new pg.Pool({ connectionString: databases.get(from)?.url });
      await pgTransactions(pool)((db) => send(db, { topic, key: "order-1", payload: { from } }));
      await pool.end();
    };
    await tell("orders", "to-stock");
    await tell("orders", "to-payment");
    await tell("stock", "to-orders");
    await tell("payment", "to-orders");
    await until("all is heard", async () => heard.length >= 4);
    const lines = heard.map(({ by, event }) => `${event.source} ${event.topic} > ${by}`);
    assert.deepEqual(lines.toSorted(), ["orders to-payment > payment", "orders to-stock > stock", "payment to-orders > orders", "stock to-orders > orders"]);
    child.kill("SIGTERM");
    assert.deepEqual(await child.exited, { code: 0, signal: null });
  });

  test("stops while it still waits", async () => {
    const empty = await freshDatabase("relay_empty");
    try {
      const child = await start({ ...env, STOCK_DATABASE_URL: empty.url });
      const ready = hear(child.stdout);
      const notices = hear(child.stderr);
      await until("the others run", async () => notices().includes("lanes-claimed"));
      child.kill("SIGTERM");
      assert.deepEqual(await child.exited, { code: 0, signal: null });
      assert.equal(ready(), "");
    } finally {
      await empty.drop();
    }
  });
});

test("an outbox that is not there in time is an error, and no relay is left running", async () => {
  const databases = await Promise.all(OUTBOXES.map(async (name) => [name, await freshDatabase(`relay_bound_${name}`)] as const));
  try {
    for (const [name, { url }] of databases) if (name !== "stock") await migrate(url);
    const urls = { ...all, ...Object.fromEntries(databases.map(([name, { url }]) => [name, url])) };
    const nowhere = "http://127.0.0.1:9";
    const addresses = { orders: [nowhere], stock: nowhere, payment: nowhere, provider: nowhere };
    const opening = openRelays({ mode: modeOf("outbox"), databases: urls, addresses, secret: token, onNotice: () => undefined, waitMs: 500 });
    await assert.rejects(opening, { code: "schema-mismatch" });
    const admin = new pg.Pool({ connectionString: urls.stock });
    const names = databases.map(([, database]) => database.name);
    const left = async (): Promise<number> => Number((await admin.query("select count(*) from pg_stat_activity where datname = any ($1) and pid <> pg_backend_pid()", [names])).rows[0].count);
    try {
      await until("no connection is left", async () => (await left()) === 0);
    } finally {
      await admin.end();
    }
  } finally {
    for (const [, database] of databases) await database.drop();
  }
});
