import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, freshDatabase, spawnLeashed, type LeashedProcess } from "@tripact/testbed";
import { openBooks, readBook, until, type Books } from "./company.fixture.ts";
import { bill, callOff } from "./ledger.ts";

const SECRETS = { TOKEN: "token", PROVIDER_KEY: "provider-key", CALLBACK_SECRET: "callback-secret" };
let books: Books;
let url: string;
const begun: LeashedProcess[] = [];
before(async () => {
  const database = await freshDatabase("payment_main");
  url = database.url;
  books = await openBooks(database);
});
after(async () => {
  await Promise.all(begun.map((one) => one.killWhole()));
  await books?.close();
});

test("both services as processes: a killed payment forgets no errand and loses no callback, and both stop when told", async () => {
  const [paymentPort, providerPort] = [await freePort(), await freePort()];
  const origin = `http://127.0.0.1:${providerPort}`;
  const nobody = "http://127.0.0.1:9";
  const addresses = { ORDERS_URLS: nobody, STOCK_URL: nobody, PAYMENT_URL: `http://127.0.0.1:${paymentPort}`, PROVIDER_URL: origin };
  const company = await start("../provider/main.ts", { PORT: String(providerPort), SEED: "7", DECLINED: "0", SLOW: "0", ANSWER_MS: "1" });
  const settings = { PORT: String(paymentPort), MODE: "naive", DATABASE_URL: url, CALLBACK_URL: addresses.PAYMENT_URL, ...addresses };
  const payment = await start("./main.ts", settings);

  for (let index = 0; index < 20; index += 1) await books.open((db) => bill(db, `order-${index}`, { buyer: "ada", cents: 100 + index }, "at-once"));
  await until("the first is captured", async () => (await captured()) > 0);
  await payment.killWhole();
  await books.open((db) => callOff(db, "order-3"));
  const second = await start("./main.ts", settings);
  await until("all but one are captured", async () => (await captured()) === 19);
  await until("that one is off", async () => ["voided -", "refunded -"].includes((await books.row("order-3")) ?? ""));

  const shop = await books.shop();
  for (const { key, cents, state } of await readBook(origin)) assert.equal(shop.get(key) ?? 0, state === "captured" ? cents : 0, key);
  for (const one of [second, company]) {
    one.kill("SIGTERM");
    assert.deepEqual(await one.waitForExit(), { code: 0, signal: null });
  }
});

test("a setting that is missing ends the process before it listens, and is named", async () => {
  const { CALLBACK_SECRET: _, ...rest } = SECRETS;
  const one = await spawn("./main.ts", { ...rest, MODE: "naive", DATABASE_URL: url });
  const heard: string[] = [];
  assert.ok(one.stderr !== null);
  one.stderr.setEncoding("utf8").on("data", (text: string) => heard.push(text));
  assert.equal((await one.waitForExit()).code, 1);
  assert.match(heard.join(""), /CALLBACK_SECRET is not set/);
});

async function captured(): Promise<number> {
  const { rows } = await books.pool.query("select 1 from payment where state = 'captured' and errand is null");
  return rows.length;
}

async function start(file: string, settings: Readonly<Record<string, string>>): Promise<LeashedProcess> {
  const one = await spawn(file, { ...SECRETS, ...settings });
  assert.ok(one.stdout !== null && one.stderr !== null);
  one.stderr.resume();
  const lines = createInterface(one.stdout);
  const [line] = (await once(lines, "line", { signal: AbortSignal.timeout(20_000) })) as [string];
  assert.match(line, /^ready /);
  return one;
}

async function spawn(file: string, settings: Readonly<Record<string, string>>): Promise<LeashedProcess> {
  const one = await spawnLeashed({
    command: process.execPath,
    args: [...process.execArgv, fileURLToPath(new URL(file, import.meta.url))],
    env: { ...process.env, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  begun.push(one);
  return one;
}
