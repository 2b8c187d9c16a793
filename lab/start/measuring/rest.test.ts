import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freshDatabase, type FreshDatabase } from "@tripact/testbed";
import { Client } from "pg";
import { untilAtRest } from "./rest.ts";
import { readSaleBooks } from "./sale-books.ts";

let database: FreshDatabase;
let client: Client;
before(async () => {
  database = await freshDatabase("at_rest");
  client = new Client({ connectionString: database.url });
  await client.connect();
  await client.query(`create table orders (sku text, state text, quantity integer, ended_at timestamptz);
    create table chunk (gateway text, state text, opened_at timestamptz default now());
    create table payment (errand text, state text);
    insert into chunk values ('gateway-1', 'open')`);
});
after(async () => {
  await client.end();
  await database.drop();
});

const never = new AbortController().signal;
const wait = (more: Partial<Parameters<typeof untilAtRest>[1]> = {}): ReturnType<typeof untilAtRest> =>
  untilAtRest({ orders: database.url, stock: database.url, payment: database.url }, { signal: never, livingGateways: ["gateway-1"], ...more });

test("nothing open but what a living gateway has leased: quiet", async () => {
  assert.deepEqual(await wait(), { kind: "quiet" });
});

test("what does not move any more is not waited for to the end, and is named", async () => {
  await client.query("insert into orders values ('lamp', 'placed', 1, null), ('lamp', 'refunding', 1, null); insert into payment values ('capture', 'authorised')");
  const heard: string[] = [];
  assert.deepEqual(await wait({ stalledAfterMs: 1, onOpen: (open) => heard.push(open) }), { kind: "stalled", open: "2 orders, 1 payments open" });
  assert.ok(heard.includes("2 orders, 1 payments open"));
});

test("what still moves is waited for until it is at rest, or the time is over", async () => {
  await client.query("update orders set state = 'paid', ended_at = to_timestamp(10); delete from payment where true");
  await client.query("insert into orders values ('lamp', 'placed', 1, null)");
  const finishing = wait({ onOpen: () => void client.query("update orders set state = 'paid', ended_at = to_timestamp(20) where ended_at is null") });
  assert.deepEqual(await finishing, { kind: "quiet" });
  await client.query("insert into orders values ('lamp', 'placed', 1, null)");
  assert.deepEqual(await wait({ capMs: 1 }), { kind: "late", open: "1 orders open" });
});

test("an interruption ends the wait", async () => {
  const reason = new Error("Ctrl-C");
  await assert.rejects(wait({ signal: AbortSignal.abort(reason) }), reason);
});

test("a sale's books: its paid orders, their units, and which of them were paid in an interval", async () => {
  await client.query("insert into orders values ('pen', 'paid', 3, to_timestamp(15)), ('pen', 'declined', 9, to_timestamp(15)), ('pen', 'paid', 4, to_timestamp(16))");
  assert.deepEqual(await readSaleBooks(database.url, "pen", { fromMs: 14_000, toMs: 15_000 }), { paid: 2, unitsSold: 7, paidBetween: 1 });
  assert.deepEqual(await readSaleBooks(database.url, "cup", { fromMs: 0, toMs: 1 }), { paid: 0, unitsSold: 0, paidBetween: 0 });
});
