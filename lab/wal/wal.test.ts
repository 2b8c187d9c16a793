import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startDatabases, type Databases, type SaleDatabases } from "../platform/databases.ts";
import { appliedIn, join, TRACKING } from "./applied.ts";
import { Confirmed } from "./confirmed.ts";
import { delaysOf, histogramLines, phaseFigures } from "./figures.ts";
import { lsnOf, lsnText } from "./lsn.ts";
import { parseWal } from "./options.ts";
import { asking, readOutbox } from "./stream.ts";

let databases: Databases;
let sale: SaleDatabases;
before(async () => {
  databases = await startDatabases({ servers: "single", endpoint: "direct" });
  await asking(databases.primary.url(), (client) => client.query(TRACKING));
  await databases.primary.stop("fast");
  await databases.primary.start();
  sale = await databases.fresh();
  await asking(sale.urls.orders, (client) => client.query(`
    create schema tripact;
    create table tripact.outbox (seq bigserial, id uuid not null, topic text not null, recorded_at timestamptz(3) not null default clock_timestamp(), slot smallint not null) partition by list (slot);
    create table tripact.outbox_00 partition of tripact.outbox for values in (0);
    create table tripact.outbox_01 partition of tripact.outbox for values in (1);
    create table tripact.inbox (consumer text, source text, id text);`));
});
after(async () => {
  await sale.drop();
  await databases.stop();
});

const first = "00000000-0000-4000-8000-000000000001";
const second = "00000000-0000-4000-8000-000000000002";
const never = "00000000-0000-4000-8000-000000000003";

async function until(what: string, reached: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await reached())) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a position is 64 bits, there and back", () => {
  for (const [text, lsn] of [["0/1", 1n], ["1/0", 1n << 32n], ["FFFFFFFF/FFFFFFFF", (1n << 64n) - 1n], ["16/B374D848", 0x16_b374_d848n]] as const) {
    assert.equal(lsnOf(text), lsn);
    assert.equal(lsnText(lsn), text);
  }
  // Halves that a comparison of texts, or of numbers, would get wrong.
  assert.ok(lsnOf("2/0") > lsnOf("1/FFFFFFFF") && lsnOf("10/0") > lsnOf("9/0"));
  assert.throws(() => lsnOf("16"), RangeError);
});

test("only the end of a handled transaction is confirmed, and never less than before", () => {
  const confirmed = new Confirmed();
  assert.equal(confirmed.toAcknowledge, undefined);
  confirmed.transactionHandled("1/00000000");
  // The library adds the byte.
  assert.equal(confirmed.toAcknowledge, "0/FFFFFFFF");
  confirmed.transactionHandled("0/00000010");
  assert.equal(confirmed.handled, 1n << 32n);
});

test("messages come with their commit, from every partition; what was rolled back never does; the server is told how far we are; nothing stays behind", async () => {
  const url = sale.urls.orders;
  const stream = await readOutbox("orders", url);
  const slots = (): Promise<{ confirmed: string }[]> =>
    asking(url, async (client) => (await client.query<{ confirmed: string }>("select confirmed_flush_lsn::text as confirmed from pg_replication_slots")).rows);
  const confirmed = async (): Promise<bigint> => lsnOf((await slots())[0]?.confirmed ?? "");
  const confirmedAtStart = await confirmed();
  await asking(url, async (client) => {
    await client.query("begin");
    await client.query("insert into tripact.outbox (id, topic, slot) values ($1, 't', 0)", [never]);
    await client.query("rollback");
    await client.query("insert into tripact.outbox (id, topic, slot) values ($1, 't', 0), ($2, 't', 1)", [first, second]);
    await client.query("insert into tripact.inbox values ('stock', 'orders', $1)", [first]);
  });
  await until("both messages", () => stream.sent.length === 2);
  assert.deepEqual(stream.sent.map(({ id }) => id), [first, second]);
  for (const { writtenMs, committedMs } of stream.sent) assert.ok(committedMs >= writtenMs - 1, `${committedMs} is before ${writtenMs}`);
  const { delivered, missing, unseen } = join(stream.sent, await appliedIn(url));
  assert.equal(delivered.length, 1);
  assert.ok((delivered[0]?.appliedMs ?? 0) > (delivered[0]?.committedMs ?? Infinity));
  assert.deepEqual([missing.map(({ id }) => id), unseen], [[second], []]);
  await until("the confirmation", async () => (await confirmed()) > confirmedAtStart);
  assert.equal(stream.failure, undefined);
  await stream.stop();
  assert.deepEqual(await slots(), []);
});

test("messages are joined by outbox and id; each consumer counts", () => {
  const sent = [
    { outbox: "orders", id: "1", topic: "t", writtenMs: 0, committedMs: 10 },
    { outbox: "stock", id: "1", topic: "t", writtenMs: 0, committedMs: 100 },
  ];
  const applied = [
    { outbox: "orders", id: "1", consumer: "stock", appliedMs: 15 },
    { outbox: "orders", id: "1", consumer: "payment", appliedMs: 40 },
    { outbox: "orders", id: "9", consumer: "stock", appliedMs: 50 },
  ];
  const joined = join(sent, applied);
  assert.deepEqual(joined.missing, [sent[1]]);
  assert.deepEqual(joined.unseen, [applied[2]]);
  const { applied: delays, committed } = phaseFigures("healthy", joined, { fromMs: 0, toMs: 50 });
  assert.deepEqual([delays.n, delays.p50, delays.max, committed.max], [2, 5, 30, 10]);
  assert.equal(phaseFigures("later", joined, { fromMs: 50, toMs: 99 }).applied.p50, null);
});

test("a histogram loses nothing, and what is not empty has a mark", () => {
  const delays = delaysOf([0.5, 1, 1.5, 3, ...Array.from({ length: 400 }, () => 15), 20_000]);
  assert.equal(delays.histogram.reduce((sum, { n }) => sum + n, 0), 405);
  const lines = histogramLines(delays);
  assert.match(lines[0] ?? "", /^ +<= 1 ms +2 #$/);
  assert.match(lines.at(-1) ?? "", /^ +> 10000 ms +1 #$/);
  assert.match(lines[4] ?? "", /^ +<= 20 ms +400 #{40}$/);
  assert.deepEqual(histogramLines(delaysOf([])), []);
});

test("options are checked at the door", () => {
  assert.deepEqual(parseWal(["--seconds", "3"]), { seconds: 3, ratePerSecond: 20, seed: 1, jsonFile: undefined, into: undefined });
  assert.throws(() => parseWal(["--rate", "x"]), { code: "bad-usage", message: '--rate needs a whole number from 1 to 5000, got "x"' });
});
