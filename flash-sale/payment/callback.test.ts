import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import type { PaymentSettled } from "../contracts.ts";
import { sign, SIGNED_WITHIN_MS } from "../provider/signature.ts";
import { openBooks, SECRET, startPayment, until, type Books, type TestPayment } from "./company.fixture.ts";
import { bill } from "./ledger.ts";

let books: Books;
let payment: TestPayment;
const news: PaymentSettled[] = [];
let failInCommit = false;
let failAfter = false;

before(async () => {
  books = await openBooks(await freshDatabase("payment_callback"));
  payment = await startPayment(books, {
    // Nobody listens there: everything that is known comes by callback.
    provider: "http://127.0.0.1:9",
    part: {
      settledIn: async (db, settled) => {
        if (failInCommit) throw new Error("the mode's part of the commit fails");
        await db.execute("insert into told (order_id, outcome) values ($1, $2)", [settled.orderId, settled.outcome]);
      },
      settled: async (settled) => {
        news.push(settled);
        if (failAfter) throw new Error("no worker listens");
      },
    },
  });
  await books.pool.query("create table told (order_id text primary key, outcome text not null)");
});
after(async () => {
  await payment?.stop();
  await books?.close();
});

test("what the provider says is recorded with the mode's part of it, once, and passed on", async () => {
  await begin("said");
  const callback = JSON.stringify({ key: "said", state: "captured" });
  for (let time = 0; time < 3; time += 1) assert.equal(await post(callback), 200);
  assert.equal(await books.row("said"), "captured -");
  assert.deepEqual(await told("said"), ["captured"]);
  await until("the news", () => news.some(({ orderId }) => orderId === "said"));
  // A late word of something else changes nothing.
  assert.equal(await post(JSON.stringify({ key: "said", state: "declined" })), 200);
  assert.equal(await books.row("said"), "captured -");
  assert.deepEqual(news, [{ orderId: "said", outcome: "captured" }]);
});

test("fifty at once are one", async () => {
  await begin("fifty");
  const callback = JSON.stringify({ key: "fifty", state: "captured" });
  const statuses = await Promise.all(Array.from({ length: 50 }, () => post(callback)));
  assert.deepEqual(new Set(statuses), new Set([200]));
  assert.deepEqual(await told("fifty"), ["captured"]);
  const { rows } = await books.pool.query("select 1 from posting where order_id = 'fifty'");
  assert.equal(rows.length, 2);
});

test("a signature that is not the provider's writes nothing", async () => {
  await begin("forged");
  const callback = JSON.stringify({ key: "forged", state: "captured" });
  const now = Date.now();
  const { "provider-signature": signature, "provider-timestamp": timestamp } = sign(SECRET, callback, now);
  const forged: readonly Record<string, string>[] = [
    {},
    { "provider-timestamp": timestamp },
    { "provider-signature": signature },
    { "provider-timestamp": timestamp, "provider-signature": "" },
    { "provider-timestamp": timestamp, "provider-signature": "zz" },
    { "provider-timestamp": timestamp, "provider-signature": signature.slice(2) },
    { "provider-timestamp": String(now + 1), "provider-signature": signature },
    { ...sign("another secret", callback, now) },
    { ...sign(SECRET, `${callback} `, now) },
    { ...sign(SECRET, callback, now - SIGNED_WITHIN_MS - 60_000) },
    { ...sign(SECRET, callback, now + SIGNED_WITHIN_MS + 60_000) },
    { "provider-timestamp": "soon", "provider-signature": signature },
  ];
  for (const headers of forged) assert.equal(await post(callback, headers), 401, JSON.stringify(headers));
  await untouched("forged");
  // Not by luck: the same with a good one, even of yesterday.
  assert.equal(await post(callback, { ...sign(SECRET, callback, now - SIGNED_WITHIN_MS + 60_000) }), 200);
  assert.equal(await books.row("forged"), "captured -");
});

test("a body that says nothing writes nothing", async () => {
  await begin("malformed");
  const bodies = [
    "",
    "no json",
    "null",
    "[]",
    "7",
    JSON.stringify({ key: "malformed" }),
    JSON.stringify({ state: "captured" }),
    JSON.stringify({ key: 7, state: "captured" }),
    JSON.stringify({ key: "", state: "captured" }),
    JSON.stringify({ key: "malformed\0", state: "captured" }),
    JSON.stringify({ key: "m".repeat(201), state: "captured" }),
    JSON.stringify({ key: "malformed", state: "pending" }),
    JSON.stringify({ key: "malformed", state: "refunded" }),
    JSON.stringify({ key: "malformed", state: "toString" }),
  ];
  for (const body of bodies) assert.equal(await post(body), 400, body);
  assert.equal(await post(JSON.stringify({ key: "malformed", state: "captured", more: "m".repeat(20_000) })), 413);
  await untouched("malformed");
  assert.equal((await fetch(`${payment.origin}/callbacks/provider`)).status, 404);
  assert.equal((await fetch(`${payment.origin}/callbacks/provider/more`, { method: "POST" })).status, 404);
});

test("an order that nobody knows is taken and changes nothing", async () => {
  assert.equal(await post(JSON.stringify({ key: "nobody's", state: "captured" })), 200);
  assert.equal(await books.row("nobody's"), undefined);
});

test("where the mode's part fails, nothing is recorded, and the provider says it again", async () => {
  await begin("torn");
  const callback = JSON.stringify({ key: "torn", state: "captured" });
  failInCommit = true;
  assert.equal(await post(callback), 500);
  failInCommit = false;
  await untouched("torn");
  assert.equal(await post(callback), 200);
  assert.deepEqual([await books.row("torn"), await told("torn")], ["captured -", ["captured"]]);
});

test("a worker that does not listen is told of and harms nothing", async () => {
  await begin("deaf");
  failAfter = true;
  assert.equal(await post(JSON.stringify({ key: "deaf", state: "captured" })), 200);
  await until("it is told", () => payment.errors.some((error) => String(error).includes("order deaf is captured")));
  failAfter = false;
  assert.equal(await books.row("deaf"), "captured -");
});

test("the state is told to whoever asks with the token", async () => {
  await begin("asked");
  const ask = (orderId: string, token: string) =>
    fetch(`${payment.origin}/payment/state`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${token}` }, body: JSON.stringify({ orderId }) });
  assert.deepEqual(await (await ask("asked", "token")).json(), { kind: "found", state: "requested" });
  assert.deepEqual(await (await ask("not asked", "token")).json(), { kind: "unknown" });
  assert.equal((await ask("asked", "another")).status, 401);
});

async function begin(orderId: string): Promise<void> {
  await books.open((db) => bill(db, orderId, { buyer: "ada", cents: 500 }, "at-once"));
}

async function post(body: string, headers: Readonly<Record<string, string>> = { ...sign(SECRET, body, Date.now()) }): Promise<number> {
  const response = await fetch(`${payment.origin}/callbacks/provider`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body, signal: AbortSignal.timeout(10_000) });
  await response.text();
  return response.status;
}

async function told(orderId: string): Promise<unknown[]> {
  const { rows } = await books.pool.query<{ outcome: string }>("select outcome from told where order_id = $1", [orderId]);
  return rows.map(({ outcome }) => outcome);
}

async function untouched(orderId: string): Promise<void> {
  assert.equal(await books.row(orderId), "requested request");
  assert.deepEqual(await told(orderId), []);
  assert.ok(!(await books.shop()).has(orderId));
}
