import { freshDatabase, spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { consume, eventHandler } from "../brokers/http/index.ts";
import { postgresInbox } from "../participants/inbox.ts";
import { migrateBarrier } from "../participants/migrate.ts";
import { send } from "../participants/outbox.ts";
import { pgTransactions } from "../participants/transaction.ts";
import { Refused } from "../protocol/outcome.ts";
import { migrate } from "../stores/postgres/migrate.ts";
import { EXIT } from "./command.ts";
import { run } from "./run.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));
const secret = "the-secret-of-relay-and-mailer";
const [shop, mailer] = [await freshDatabase("relay_shop"), await freshDatabase("relay_mailer")];
const [orders, mails] = [new pg.Pool({ connectionString: shop.url, max: 4 }), new pg.Pool({ connectionString: mailer.url, max: 8 })];
await migrate(shop.url);
await pgTransactions(mails)(migrateBarrier);
await mails.query("create table mail (n bigint generated always as identity, source text, topic text, key text, payload text)");

/** The receiver: the effect and the inbox's row in one commit of its own database. */
const [hanging, enough] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
const receive = consume(pgTransactions(mails), postgresInbox(), "mailer", async (db, { source, topic, key, payload }) => {
  if (key === "poison") throw new Refused("no-address");
  if (key === "tar") {
    hanging.resolve();
    await enough.promise;
  }
  await db.execute("insert into mail (source, topic, key, payload) values ($1, $2, $3, $4)", [source, topic, key, payload]);
});
const receiver = createServer(eventHandler({ secrets: [secret], receive })).listen(0, "127.0.0.1");
await once(receiver, "listening");
const address = receiver.address();
const to = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/events`;

after(async () => {
  receiver.closeAllConnections();
  receiver.close();
  await Promise.all([orders.end(), mails.end()]);
  await Promise.all([shop.drop(), mailer.drop()]);
});

interface Running {
  readonly process: LeashedProcess;
  readonly printed: () => string;
}

async function start(...args: readonly string[]): Promise<Running> {
  const child = await spawnLeashed({
    command: process.execPath,
    args: [main, "relay", "--to", to, "--subscription", "mailer", "--source", "shop/orders", "--name", "relay-1", ...args],
    env: { ...process.env, TRIPACT_URL: shop.url, TRIPACT_SECRET: secret },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let printed = "";
  const ready = Promise.withResolvers<void>();
  const hear = (chunk: Buffer): void => {
    printed += chunk.toString();
    if (/^tripact relay: ready, delivers the outbox at \S+ as mailer to http:\/\/\S+$/m.test(printed)) ready.resolve();
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  void child.exited.then(() => ready.reject(new Error(`it ended: ${printed}`)));
  await ready.promise;
  return { process: child, printed: () => printed };
}

const say = (topic: string, key: string, payload: number): Promise<string> => pgTransactions(orders)((db) => send(db, { topic, key, payload }));

async function mailed(): Promise<readonly string[]> {
  const { rows } = await mails.query<{ source: string; topic: string; key: string; payload: string }>("select source, topic, key, payload from mail order by n");
  return rows.map((row) => `${row.source} ${row.topic} ${row.key} ${row.payload}`);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to pass");
}

describe("tripact relay", () => {
  test("delivers the topics that it was given, each message once, in order per key, across a kill", async () => {
    const first = await start("--topic", "order.*", "--topic", "refund");
    await say("order.placed", "o-1", 1);
    await say("stock.low", "lamp", 1);
    await say("refund", "o-1", 2);
    await say("order.placed", "o-1", 3);
    await until(async () => (await mailed()).length === 3);
    // What it had delivered and not stored comes a second time, and the inbox knows it.
    await first.process.killWhole();
    await say("order.placed", "o-1", 4);
    const second = await start("--topic", "order.*", "--topic", "refund");
    await until(async () => (await mailed()).length === 4);
    assert.deepEqual((await mailed()).filter((line) => line.includes("order.placed")), [1, 3, 4].map((n) => `shop/orders order.placed o-1 ${n}`));
    assert.deepEqual((await mailed()).filter((line) => !line.includes("order.placed")), ["shop/orders refund o-1 2"]);

    second.process.kill("SIGTERM");
    assert.deepEqual(await second.process.waitForExit(), { code: EXIT.ok, signal: null });
    assert.match(second.printed(), /SIGTERM, stopping[^]*tripact relay: stopped\n$/);
    const { rows } = await orders.query("select from tripact.outbox_lane where owner is not null");
    assert.equal(rows.length, 0);
  });

  test("says what was refused, and ends at once at the second signal", async () => {
    const { process: child, printed } = await start("--wake-from-wal");
    try {
      await say("order.placed", "poison", 1);
      await until(async () => printed().includes("message-parked"));
      // Which of the two is the server's business; either way it goes on.
      await until(async () => /wal-wake-o(n|ff) /.test(printed()));
      assert.match(printed(), /^\S+Z message-parked subscription=mailer id=\S+ topic=order\.placed key=poison state=parked error=no-address/m);
      await say("order.placed", "tar", 1);
      await hanging.promise;
      child.kill("SIGINT");
      await until(async () => printed().includes("SIGINT, stopping"));
      child.kill("SIGINT");
      assert.deepEqual(await child.waitForExit(), { code: EXIT.failed, signal: null });
    } finally {
      enough.resolve();
      await child.killWhole();
    }
  });

  test("refuses what cannot work, in one line, before it connects", async () => {
    const env = { TRIPACT_URL: "postgres://u:hunter2@127.0.0.1:1/shop", TRIPACT_SECRET: secret };
    const ask = async (...args: readonly string[]): Promise<{ readonly exit: number; readonly err: string }> => {
      let err = "";
      const exit = await run(["relay", ...args], { out: () => undefined, err: (text) => void (err += text), env });
      return { exit, err };
    };
    const whole = ["--subscription", "mailer", "--source", "shop/orders"];
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [["--to", to, "--source", "x"], EXIT.usage, /something is missing: --subscription/],
      [["--to", "http://mailer.internal/events", ...whole], EXIT.usage, /--to is not allowed: .*mailer\.internal.*--allow-host/],
      [["--to", "mailer", ...whole], EXIT.usage, /URL/],
      [["--to", to, "--subscription", "a b", "--source", "x"], EXIT.usage, /subscription's name/],
      [["--to", to, ...whole, "--topic", "a*b"], EXIT.usage, /is no topic/],
      [["--to", to, ...whole, "--workers", "0"], EXIT.usage, /--workers is a whole number/],
      [["--to", to, ...whole, "--secret-file", "/nowhere"], EXIT.usage, /--secret-file cannot be read/],
      [["--to", to, ...whole], EXIT.unreachable, /127\.0\.0\.1:1\/shop/],
    ];
    for (const [args, exit, says] of cases) {
      const ended = await ask(...args);
      assert.equal(ended.exit, exit, ended.err);
      assert.match(ended.err, says);
      assert.match(ended.err, /^tripact relay: [^\n]*\n$/);
      assert.doesNotMatch(ended.err, /hunter2/);
    }
  });
});
