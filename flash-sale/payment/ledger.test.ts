import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type pg from "pg";
import { freshDatabase, type FreshDatabase } from "@tripact/testbed";
import type { SqlExecutor } from "tripact/barrier";
import type { PaymentSettled } from "../contracts.ts";
import { makeTables, openPool } from "../service/database.ts";
import { bill, callOff, capture, payBack, PaymentStateError, record, stateOf } from "./ledger.ts";

const CENTS = 1_250;
let database: FreshDatabase;
let pool: pg.Pool;
let db: SqlExecutor;
before(async () => {
  database = await freshDatabase("payment_ledger");
  pool = openPool(database.url, "ledger-test", { connections: 8 });
  await makeTables(pool, new URL("./schema.sql", import.meta.url));
  // Each call commits by itself, as the provider's words do.
  db = { execute: (text, values) => pool.query(text, [...values]) };
});
after(async () => {
  await pool?.end();
  await database?.drop();
});

const STEPS = {
  bill: (id: string) => bill(db, id, { buyer: id, cents: CENTS }, "later"),
  callOff: (id: string) => callOff(db, id),
  capture: (id: string) => capture(db, id).catch(takeStateError),
  authorised: (id: string) => record(db, id, "authorised"),
  captured: (id: string) => record(db, id, "captured"),
  declined: (id: string) => record(db, id, "declined"),
};
type Step = keyof typeof STEPS;
const steps = Object.keys(STEPS) as Step[];

test("every order of bill, call off, capture and the provider's words, doubled or not, keeps the books", async () => {
  const words = [...wordsOf(4), ...wordsOf(4).map((word): Step[] => ["bill", ...word])];
  await inParallel(words, async (word, index) => {
    const id = `word-${index}`;
    const news: PaymentSettled[] = [];
    for (const step of word) {
      const heard = await STEPS[step](id);
      if (heard !== undefined) news.push(heard);
    }
    await check(id, word, news);
  });
  const { rows: torn } = await pool.query("select order_id, entry from posting group by 1, 2 having sum(cents) <> 0 or count(*) <> 2");
  assert.deepEqual(torn, []);
});

/** What has to be, told from the word alone: the tables are not asked how they got there. */
async function check(id: string, word: readonly Step[], news: readonly PaymentSettled[]): Promise<void> {
  const story = word.join(" ");
  const state = await stateOf(db, id);
  const { rows } = await pool.query<{ entry: string; cents: number }>("select entry, cents from posting where order_id = $1 and account = 'shop'", [id]);
  const taken = rows.find(({ entry }) => entry === "capture")?.cents ?? 0;
  const returned = 0 - (rows.find(({ entry }) => entry === "refund")?.cents ?? 0);
  assert.ok(returned === 0 || returned === taken, `${story}: takes ${taken}, returns ${returned}`);

  const begun = word.indexOf("bill");
  if (begun < 0) return assert.deepEqual({ state, rows, news }, { state: undefined, rows: [], news: [] }, story);
  const told = word.slice(begun + 1);
  const off = told.includes("callOff");
  const declinedFirst = told.find((step) => step === "authorised" || step === "captured" || step === "declined" || step === "callOff") === "declined";
  const came = !declinedFirst && (told.includes("captured") || capturedByUs(told));
  assert.equal(taken, came ? CENTS : 0, story);
  assert.equal(returned, came && off ? CENTS : 0, story);
  if (declinedFirst) assert.equal(state, "declined", story);
  else if (off) assert.equal(state, came ? "refund-due" : "voided", story);
  else if (came) assert.equal(state, "captured", story);
  else assert.equal(state, told.includes("authorised") ? "authorised" : "requested", story);

  // News comes once, and never after a call off.
  const heardBefore = told.slice(0, off ? told.indexOf("callOff") : told.length);
  const unlike = new Set(news.map(({ outcome }) => outcome));
  assert.equal(unlike.size, news.length, `${story}: ${JSON.stringify(news)}`);
  for (const outcome of unlike) assert.ok(heardBefore.includes(outcome), `${story}: ${outcome} is no news`);
}

function capturedByUs(told: readonly Step[]): boolean {
  const authorised = told.indexOf("authorised");
  if (authorised < 0) return false;
  const off = told.indexOf("callOff");
  const at = told.indexOf("capture", authorised);
  return at >= 0 && (off < 0 || at < off);
}

test("note 31: a capture that arrives after the call off is a refund in the very commit that records it", async () => {
  await bill(db, "late", { buyer: "ada", cents: CENTS }, "at-once");
  await callOff(db, "late");
  assert.deepEqual(await row("late"), { state: "voided", errand: "void" });
  const client = await pool.connect();
  try {
    await client.query("begin");
    const heard = await record({ execute: (text, values) => client.query(text, [...values]) }, "late", "captured");
    assert.equal(heard, undefined);
    // Nobody else has seen anything of it.
    assert.deepEqual(await row("late"), { state: "voided", errand: "void" });
    assert.deepEqual(await postings("late"), []);
    await client.query("commit");
  } finally {
    client.release();
  }
  assert.deepEqual(await row("late"), { state: "refund-due", errand: "refund" });
  assert.deepEqual(await postings("late"), ["capture buyer:ada -1250", "capture shop 1250", "refund buyer:ada 1250", "refund shop -1250"]);
});

test("note 31: a capture that waits for the call off's commit sees what that left", async () => {
  await bill(db, "race", { buyer: "ada", cents: CENTS }, "at-once");
  const client = await pool.connect();
  try {
    await client.query("begin");
    await callOff({ execute: (text, values) => client.query(text, [...values]) }, "race");
    const recorded = record(db, "race", "captured");
    await untilSomebodyWaits();
    await client.query("commit");
    assert.equal(await recorded, undefined);
  } finally {
    client.release();
  }
  assert.deepEqual(await row("race"), { state: "refund-due", errand: "refund" });
});

test("a charge that is set aside after the call off is freed, even when the provider was told before", async () => {
  await bill(db, "aside", { buyer: "bob", cents: CENTS }, "later");
  await callOff(db, "aside");
  await pool.query("update payment set errand = null where order_id = 'aside'");
  assert.equal(await record(db, "aside", "authorised"), undefined);
  assert.deepEqual(await row("aside"), { state: "voided", errand: "void" });
});

test("what is to be paid back is captured first: before that it waits", async () => {
  await bill(db, "back", { buyer: "back", cents: CENTS }, "later");
  await assert.rejects(payBack(db, "back"), { code: "payment-state", state: "requested" });
  await record(db, "back", "authorised");
  await assert.rejects(payBack(db, "back"), { code: "payment-state", state: "authorised" });
  await capture(db, "back");
  await payBack(db, "back");
  await payBack(db, "back");
  assert.equal(await stateOf(db, "back"), "refund-due");
});

test("only what is set aside can be captured", async () => {
  await assert.rejects(capture(db, "nobody"), { name: "PaymentStateError", code: "payment-state", state: undefined });
  await bill(db, "early", { buyer: "cleo", cents: CENTS }, "later");
  await assert.rejects(capture(db, "early"), { code: "payment-state", state: "requested" });
  await record(db, "early", "authorised");
  await capture(db, "early");
  await capture(db, "early");
  assert.deepEqual(await row("early"), { state: "captured", errand: "capture" });
  assert.deepEqual(await postings("early"), ["capture buyer:cleo -1250", "capture shop 1250"]);
});

async function row(id: string): Promise<unknown> {
  const { rows } = await pool.query<{ state: string; errand: string | null }>("select state, errand from payment where order_id = $1", [id]);
  return rows[0];
}

async function postings(id: string): Promise<string[]> {
  const { rows } = await pool.query<{ entry: string; account: string; cents: number }>("select entry, account, cents from posting where order_id = $1", [id]);
  return rows.map(({ entry, account, cents }) => `${entry} ${account} ${cents}`).sort();
}

async function untilSomebodyWaits(): Promise<void> {
  const capMs = performance.now() + 10_000;
  while (performance.now() < capMs) {
    const { rows } = await pool.query("select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");
    if (rows.length > 0) return;
  }
  throw new Error("nobody waits for the lock");
}

function wordsOf(length: number): Step[][] {
  if (length === 0) return [[]];
  return wordsOf(length - 1).flatMap((word) => steps.map((step) => [...word, step]));
}

async function inParallel<Item>(items: readonly Item[], work: (item: Item, index: number) => Promise<void>): Promise<void> {
  const left = items.entries();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const [index, item] of left) await work(item, index);
    }),
  );
}

function takeStateError(error: unknown): void {
  if (!(error instanceof PaymentStateError)) throw error;
}
