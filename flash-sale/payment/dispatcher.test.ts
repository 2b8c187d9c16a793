import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { freePort, freshDatabase, startProxy } from "@tripact/testbed";
import type { PaymentSettled } from "../contracts.ts";
import { openBooks, startPayment, startProvider, until, type Books, type TestPaymentOptions, type TestPayment, type TestProvider } from "./company.fixture.ts";
import { bill, callOff, capture } from "./ledger.ts";

const BILL = { buyer: "ada", cents: 700 };
let books: Books;
before(async () => {
  books = await openBooks(await freshDatabase("payment_dispatcher"));
});
after(() => books?.close());

const begun: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of begun.splice(0).reverse()) await one.stop();
  await books.pool.query("truncate payment, posting");
});

const provider = async (...habits: Parameters<typeof startProvider>): Promise<TestProvider> => also(await startProvider(...habits));
const payment = async (options: TestPaymentOptions): Promise<TestPayment> => also(await startPayment(books, options));

test("a bill is charged, and the callback captures it", async () => {
  const { origin, book } = await provider();
  const news: PaymentSettled[] = [];
  const inCommit: PaymentSettled[] = [];
  // No poll: it is the commit that wakes.
  const { open, errors } = await payment({
    provider: origin,
    timing: { pollMs: 60_000 },
    part: { settledIn: async (_, settled) => void inCommit.push(settled), settled: async (settled) => void news.push(settled) },
  });
  await open((db) => bill(db, "a", BILL, "at-once"));
  await untilRow("a", "captured -");
  assert.deepEqual(await book(), [{ kind: "charge", key: "a", cents: 700, state: "captured" }]);
  await until("the news", () => news.length > 0);
  assert.deepEqual({ news, inCommit, errors }, { news: [{ orderId: "a", outcome: "captured" }], inCommit: [{ orderId: "a", outcome: "captured" }], errors: [] });
});

test("money that is set aside is captured, or freed, and given back", async () => {
  const { origin, book } = await provider();
  const { open } = await payment({ provider: origin });
  for (const id of ["kept", "freed"]) await open((db) => bill(db, id, BILL, "later"));
  for (const id of ["kept", "freed"]) await untilRow(id, "authorised -");
  await open((db) => capture(db, "kept"));
  await open((db) => callOff(db, "freed"));
  await untilRow("kept", "captured -");
  await untilRow("freed", "voided -");
  assert.deepEqual(states(await book()), { kept: "captured", freed: "voided" });
  await open((db) => callOff(db, "kept"));
  await untilRow("kept", "refunded -");
  assert.deepEqual(states(await book()), { kept: "refunded", freed: "voided" });
});

test("a provider that cannot be reached is waited for, and asked by one at a time", async () => {
  const { port, book } = await provider();
  const proxy = await startProxy({ target: { host: "127.0.0.1", port } });
  begun.push({ stop: () => proxy.close() });
  await proxy.refuse();
  const { open, errors } = await payment({ provider: `http://127.0.0.1:${proxy.port}` });
  const ids = Array.from({ length: 60 }, (_, index) => `u-${index}`);
  for (const id of ids) await open((db) => bill(db, id, BILL, "at-once"));
  await until("the failure is told", () => errors.length > 0);
  await books.open((db) => callOff(db, "u-7"));
  assert.deepEqual(await book(), []);
  await proxy.pass();
  for (const id of ids) await untilRow(id, id === "u-7" ? "voided -" : "captured -");
  assert.equal(errors.length, 1, "one outage is one piece of news");
});

test("a provider may be far away: no errand waits for another's answer", async () => {
  const { port, book } = await provider();
  const proxy = await startProxy({ target: { host: "127.0.0.1", port } });
  begun.push({ stop: () => proxy.close() });
  // Requests pass, answers are held.
  await proxy.blackHole("to-caller");
  const { open, errors } = await payment({ provider: `http://127.0.0.1:${proxy.port}` });
  const ids = Array.from({ length: 40 }, (_, index) => `far-${index}`);
  await open(async (db) => {
    for (const id of ids) await bill(db, id, BILL, "at-once");
  });
  await until("all are asked for", async () => (await book()).length === ids.length);
  await proxy.pass();
  for (const id of ids) await untilRow(id, "captured -");
  assert.deepEqual(errors, [], "none was given up");
});

test("an answer that gets cut is asked for again, and there is one charge", async () => {
  const { port, book } = await provider();
  const proxy = await startProxy({ target: { host: "127.0.0.1", port } });
  begun.push({ stop: () => proxy.close() });
  const cut = proxy.cutAfter(() => (bytes) => bytes.includes('"kind":"charge"'));
  const { open, errors } = await payment({ provider: `http://127.0.0.1:${proxy.port}` });
  await open((db) => bill(db, "cut", BILL, "at-once"));
  await cut;
  await untilRow("cut", "captured -");
  const again = proxy.cutAfter(() => (bytes) => bytes.includes('"kind":"charge"'));
  await open((db) => callOff(db, "cut"));
  await again;
  await untilRow("cut", "refunded -");
  assert.deepEqual(states(await book()), { cut: "refunded" });
  assert.ok(errors.length > 0, "it was cut");
});

test("a lost callback is found out by looking the charge up", async () => {
  // So late that it is lost for this test.
  const { origin } = await provider({ late: 1, lateMs: 600_000 });
  const news: PaymentSettled[] = [];
  const { open } = await payment({ provider: origin, timing: { lookupAfterMs: 100 }, part: { settled: async (settled) => void news.push(settled) } });
  await open((db) => bill(db, "lost", BILL, "at-once"));
  await untilRow("lost", "captured -");
  await until("the news", () => news.length > 0);
});

test("a charge that the provider has forgotten is asked for again", async () => {
  const first = await startProvider({ answerMs: 600_000 });
  const proxy = await startProxy({ target: { host: "127.0.0.1", port: first.port } });
  begun.push({ stop: () => proxy.close() });
  const { open } = await payment({ provider: `http://127.0.0.1:${proxy.port}`, timing: { lookupAfterMs: 100 } });
  await open((db) => bill(db, "forgotten", BILL, "at-once"));
  await untilRow("forgotten", "requested -");
  const second = await provider();
  proxy.retarget({ host: "127.0.0.1", port: second.port });
  await first.stop();
  await untilRow("forgotten", "captured -");
  assert.deepEqual(states(await second.book()), { forgotten: "captured" });
});

test("a call off while the provider still thinks: he refuses the charge", async () => {
  const { origin, book } = await provider({ answerMs: 5_000 });
  const { open } = await payment({ provider: origin });
  await open((db) => bill(db, "thinking", BILL, "at-once"));
  await until("it is pending", async () => (await book()).length === 1);
  await open((db) => callOff(db, "thinking"));
  await until("he has refused it", async () => states(await book())["thinking"] === "declined");
  await untilRow("thinking", "voided -");
  assert.deepEqual(await books.shop(), new Map());
});

test("note 31: called off while the captured answer is on its way: refunded, whichever comes first", async () => {
  const { origin, book, provider: company } = await provider({ late: 1, lateMs: 5_000, duplicated: 1 });
  const { open } = await payment({ provider: origin, timing: { lookupAfterMs: 600_000 } });
  await open((db) => bill(db, "late", BILL, "at-once"));
  await until("it is captured there", async () => states(await book())["late"] === "captured");
  assert.match(String(await books.row("late")), /^requested /);
  await open((db) => callOff(db, "late"));
  await untilRow("late", "refunded -");
  await until("the late callbacks are taken", () => company.openCallbacks === 0);
  assert.equal(await books.row("late"), "refunded -");
  assert.deepEqual(await books.shop(), new Map([["late", 0]]));
  const { rows } = await books.pool.query("select 1 from posting");
  assert.equal(rows.length, 4);
});

test("note 31: where the captured callback never comes, the answer to the void puts both postings into the books", async () => {
  const { origin, book } = await provider({ late: 1, lateMs: 600_000 });
  const { open } = await payment({ provider: origin, timing: { lookupAfterMs: 600_000 } });
  await open((db) => bill(db, "never", BILL, "at-once"));
  await until("it is captured there", async () => states(await book())["never"] === "captured");
  await open((db) => callOff(db, "never"));
  await untilRow("never", "refunded -");
  assert.deepEqual(states(await book()), { never: "refunded" });
  const { rows } = await books.pool.query("select entry, sum(cents)::int as cents, count(*)::int as sides from posting group by 1 order by 1");
  assert.deepEqual(rows, [{ entry: "capture", cents: 0, sides: 2 }, { entry: "refund", cents: 0, sides: 2 }]);
});

test("what is on its way when the service stops is done when it is back", async () => {
  const nobody = await freePort();
  const first = await startPayment(books, { provider: `http://127.0.0.1:${nobody}` });
  await first.open((db) => bill(db, "back", BILL, "at-once"));
  await until("it has tried", () => first.errors.length > 0);
  await first.stop();
  await first.stop();
  assert.equal(await books.row("back"), "requested request");
  const { origin } = await provider();
  await payment({ provider: origin });
  await untilRow("back", "captured -");
});

test("a database that is away for a while is waited for", async () => {
  const { origin } = await provider();
  const { errors } = await payment({ provider: origin });
  // All of the dispatcher's statements fail until the table is back.
  await books.pool.query("alter table payment rename to away");
  await until("it is told", () => errors.length > 0);
  await books.pool.query("alter table away rename to payment");
  await books.open((db) => bill(db, "db", BILL, "at-once"));
  await untilRow("db", "captured -");
});

test("an answer clears the errand that it belongs to, and no later one", async () => {
  const { port, book } = await provider();
  const proxy = await startProxy({ target: { host: "127.0.0.1", port } });
  begun.push({ stop: () => proxy.close() });
  const { open } = await payment({ provider: `http://127.0.0.1:${proxy.port}` });
  await open((db) => bill(db, "same", BILL, "later"));
  await untilRow("same", "authorised -");
  // Answers are held, requests pass.
  await proxy.blackHole("to-caller");
  await open((db) => capture(db, "same"));
  await until("it is captured there", async () => states(await book())["same"] === "captured");
  await books.open((db) => callOff(db, "same"));
  await proxy.pass();
  await untilRow("same", "refunded -");
  assert.deepEqual(states(await book()), { same: "refunded" });
});

function also<One extends { stop(): Promise<void> }>(one: One): One {
  begun.push(one);
  return one;
}

async function untilRow(orderId: string, expected: string): Promise<void> {
  let seen: string | undefined;
  await until(`${orderId} is ${expected}`, async () => (seen = await books.row(orderId)) === expected).catch((error: unknown) => {
    throw new Error(`it is ${seen ?? "not there"}`, { cause: error });
  });
}

function states(charges: readonly { readonly key: string; readonly state: string }[]): Record<string, string> {
  return Object.fromEntries(charges.map(({ key, state }) => [key, state]));
}
