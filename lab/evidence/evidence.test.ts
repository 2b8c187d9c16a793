import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, describe, it } from "node:test";
import { freePort, freshDatabase, startProxy, type FreshDatabase } from "@tripact/testbed";
import pg from "pg";
import type { Charge, Evidence, Verdict } from "../checkers/checker.ts";
import { figuresOf } from "../checkers/figures.ts";
import { judge, overall } from "../checkers/judge.ts";
import { readEvidence, type Databases, type Heard, type Platform } from "./read-evidence.ts";
import { EvidenceError } from "./snapshot.ts";
import { untilQuiet } from "./until-quiet.ts";

const NAMES = ["orders", "stock", "payment"] as const;
const PROVIDER_KEY = "the provider's key";
const PAGE = 2;

const schemaOf = (name: string): Promise<string> => readFile(new URL(`../../flash-sale/${name}/schema.sql`, import.meta.url), "utf8");

/** Tripact's own tables, as its migrations make them. */
async function tripactTables(): Promise<string> {
  const folders = ["../../toolkit/src/stores/postgres/migrations/", "../../toolkit/src/participants/migrations/"].map((path) => new URL(path, import.meta.url));
  const files = await Promise.all(folders.map(async (folder) => (await readdir(folder)).toSorted().map((name) => readFile(new URL(name, folder), "utf8"))));
  return ["create schema tripact", ...(await Promise.all(files.flat()))].join(";\n");
}

const databases: FreshDatabase[] = [];
let pools: Record<(typeof NAMES)[number], pg.Pool>;
let urls: Databases;
let book: readonly Charge[] = [];
let provider: Server;
let platform: Platform;

before(async () => {
  const made = async (name: string): Promise<string> => {
    const database = await freshDatabase(`evidence_${name}`);
    databases.push(database);
    return database.url;
  };
  urls = { orders: await made("orders"), stock: await made("stock"), payment: await made("payment") };
  const poolOf = (url: string): pg.Pool => new pg.Pool({ connectionString: url, max: 3 });
  pools = { orders: poolOf(urls.orders), stock: poolOf(urls.stock), payment: poolOf(urls.payment) };
  for (const name of NAMES) await pools[name].query(await schemaOf(name));
  provider = createServer((request, response) => void answer(request, response));
  provider.listen(0, "127.0.0.1");
  await once(provider, "listening");
  platform = { databases: urls, provider: { url: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`, key: PROVIDER_KEY } };
});

after(async () => {
  provider.closeAllConnections();
  provider.close();
  await Promise.all(Object.values(pools).map((pool) => pool.end()));
  await Promise.all(databases.map((database) => database.drop()));
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = (await request.setEncoding("utf8").toArray()).join("");
  const allowed = request.headers.authorization === `Bearer ${PROVIDER_KEY}` && request.url === "/charges/book" && request.method === "POST";
  const { after: from } = JSON.parse(asked) as { after: number };
  response.writeHead(allowed ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify(allowed ? { charges: book.slice(from, from + PAGE).map((charge) => ({ kind: "charge", ...charge })), after: from + book.slice(from, from + PAGE).length } : {}));
}

const heard: Heard = {
  operations: [
    { requestId: "r1", buyer: "ann", quantity: 2, orderId: "a", intentMs: 1, completedMs: 4, outcome: "accepted", evidence: "202" },
    { requestId: "r1", buyer: "bob", quantity: 1, orderId: "b", intentMs: 2, completedMs: 5, outcome: "accepted", evidence: "202" },
    { requestId: "r1", buyer: "cem", quantity: 1, intentMs: 3, completedMs: 6, outcome: "info", evidence: "timeout" },
  ],
  finals: [{ orderId: "a", state: "paid", atMs: 20 }, { orderId: "b", state: "expired", atMs: 30 }],
  historyIsWhole: true,
};

/** Ann bought two, Bob let his time pass, Cem was never heard of. */
async function soundRows(): Promise<void> {
  await pools.orders.query(`
    drop schema if exists tripact cascade;
    truncate sale, orders, allowance, ended_chunk, order_event cascade;
    insert into sale values ('pen', 10, 100, 2, 60000, 0, 9000000000000);
    insert into orders (order_id, sku, buyer, request_id, quantity, cents, chunk, state, expires_at, ended_at) values
      ('a', 'pen', 'ann', 'r1', 2, 200, 'k1', 'paid', '2025-01-01 00:01:00Z', '2025-01-01 00:00:00.5Z'), ('b', 'pen', 'bob', 'r1', 1, 100, null, 'expired', now(), now());
    insert into orders (order_id, state, ended_at) values ('t', 'never-placed', now());
    insert into allowance values ('pen', 'ann', 2), ('pen', 'bob', 0);
    insert into order_event (order_id, what) values ('a', 'placed'), ('a', 'paid'), ('b', 'placed'), ('b', 'expired');`);
  await pools.stock.query(`
    truncate item, chunk, hold, movement cascade;
    insert into item values ('pen', 10, 5);
    insert into chunk (id, sku, gateway, leased, reserved, state) values ('k1', 'pen', 'g1', 5, 2, 'open');
    insert into hold values ('a', 'pen', 2, 'k1', 'sold'), ('b', 'pen', 1, null, 'released');
    insert into movement (sku, reference, source, target, units) values ('pen', 'pen', 'outside', 'free', 10), ('pen', 'k1', 'free', 'chunk', 5), ('pen', 'a', 'chunk', 'held', 2),
      ('pen', 'b', 'free', 'held', 1), ('pen', 'a', 'held', 'sold', 2), ('pen', 'b', 'held', 'free', 1);`);
  await pools.payment.query(`
    truncate payment, posting;
    insert into payment (order_id, buyer, cents, capture, state) values ('a', 'ann', 200, 'at-once', 'captured'), ('b', 'bob', 100, 'later', 'voided');
    insert into posting (order_id, entry, account, cents) values ('a', 'capture', 'buyer:ann', -200), ('a', 'capture', 'shop', 200);`);
  book = [{ key: "a", cents: 200, state: "captured" }, { key: "b", cents: 100, state: "voided" }, { key: "b:late", cents: 100, state: "declined" }];
}

const evidence = (options: { readonly rowsMax?: number } = {}): Promise<Evidence> => readEvidence(platform, heard, { livingGateways: ["g1"], ...options });
const judged = async (): Promise<readonly Verdict[]> => judge(await evidence());
const alarms = (verdicts: readonly Verdict[]): readonly string[] => verdicts.filter(({ verdict }) => verdict !== "valid" && verdict !== "not-applicable").map(({ checker, verdict }) => `${checker} ${verdict}`);
const atRest = { livingGateways: ["g1"], capMs: 400, pollMs: 5 };
const comesToRest = { ...atRest, capMs: 20_000 };

describe("evidence", () => {
  beforeEach(soundRows);

  it("is every row, under the judges' names, and a sound sale is valid", async () => {
    const all = await evidence();
    assert.deepEqual(all.sales, [{ sku: "pen", units: 10, cents: 100, limitPerBuyer: 2 }]);
    const [ann, , tombstone] = all.orders ?? [];
    assert.deepEqual({ ...ann, seq: 0, placedAtMs: 0 }, {
      orderId: "a", seq: 0, sku: "pen", buyer: "ann", requestId: "r1", quantity: 2, cents: 200, chunk: "k1", state: "paid", because: null, placedAtMs: 0,
      expiresAtMs: Date.UTC(2025, 0, 1, 0, 1), endedAtMs: Date.UTC(2025, 0, 1) + 500,
    });
    assert.deepEqual([tombstone?.sku, tombstone?.expiresAtMs, typeof tombstone?.seq, typeof tombstone?.placedAtMs], [null, null, "number", "number"]);
    assert.deepEqual(all.charges, book);
    assert.deepEqual([all.events?.length, all.movements?.length, all.postings?.length, all.holds?.length, all.payments?.length, all.journals, all.mailboxes], [4, 6, 2, 2, 2, [], []]);
    assert.deepEqual(alarms(judge(all)), []);
    assert.equal(overall(judge(all)), "valid");
    assert.deepEqual(await untilQuiet(urls, comesToRest).then(({ kind, open }) => [kind, open.unread]), ["quiet", []]);
  });

  it("has what is wrong in any of the four places", async () => {
    await pools.stock.query("update hold set state = 'held' where order_id = 'a'");
    assert.deepEqual(alarms(await judged()), ["stock-conserved invalid", "torn invalid", "nothing-stuck invalid", "lost invalid"]);
    await soundRows();
    await pools.payment.query("update payment set state = 'refund-due', errand = 'refund' where order_id = 'b'");
    assert.deepEqual(alarms(await judged()), ["money-conserved invalid", "nothing-stuck invalid"]);
    await soundRows();
    book = [{ key: "b", cents: 100, state: "captured" }, ...book];
    assert.deepEqual(alarms(await judged()), ["provider-agrees invalid", "never-paid-and-cancelled invalid"]);
    await soundRows();
    await pools.orders.query("delete from orders where order_id = 'b'; delete from order_event where order_id = 'b'");
    const verdicts = await judged();
    assert.deepEqual(alarms(verdicts), ["lost invalid", "told-the-truth invalid"]);
    assert.deepEqual(figuresOf(verdicts).lost, { operations: 1, units: 1, cents: 100, oldestAtMs: 5 });
  });

  it("takes the sale as it was asked for, when that is known", async () => {
    const sales = [{ sku: "pen", units: 9, cents: 100, limitPerBuyer: 1 }];
    const verdicts = judge(await readEvidence(platform, heard, { livingGateways: ["g1"], sales }));
    assert.deepEqual(alarms(verdicts), ["stock-conserved invalid", "limit-per-buyer invalid"]);
  });

  it("is unknown, not valid, where a table is not there or nothing is in it", async () => {
    await pools.stock.query("alter table movement rename to moved");
    try {
      assert.deepEqual(alarms(await judged()), ["no-oversell unknown", "stock-conserved unknown", "duplicated unknown"]);
    } finally {
      await pools.stock.query("alter table moved rename to movement");
    }
    await pools.orders.query("truncate sale, orders, allowance, order_event cascade");
    await pools.stock.query("truncate item, chunk, hold, movement cascade");
    await pools.payment.query("truncate payment, posting");
    book = [];
    const verdicts = judge(await readEvidence(platform, { operations: [], finals: [], historyIsWhole: true }, { livingGateways: [] }));
    assert.deepEqual(verdicts.filter(({ verdict }) => verdict !== "unknown" && verdict !== "not-applicable"), []);
  });

  it("is of one moment within a database", async () => {
    const writer = await pools.orders.connect();
    await writer.query("begin; lock table allowance in access exclusive mode; insert into allowance values ('pen', 'zoe', 1); update orders set because = 'failed'");
    const reading = evidence();
    await until(async () => (await pools.orders.query("select from pg_locks where not granted and relation = 'allowance'::regclass")).rowCount === 1);
    await writer.query("commit");
    writer.release();
    const all = await reading;
    assert.deepEqual([all.allowances?.map(({ buyer }) => buyer), all.orders?.map(({ because }) => because)], [["ann", "bob"], [null, null, null]]);
  });

  it("is read page by page, and only as far as it was asked to fit", async () => {
    await pools.orders.query("insert into order_event (order_id, what) select 'a', 'note ' || n from generate_series(1, 10003) n");
    assert.equal((await evidence()).events?.length, 10_007);
    await assert.rejects(evidence({ rowsMax: 10_000 }), (error) => error instanceof EvidenceError && error.code === "too-large" && error.where === "orders");
    assert.equal((await evidence({ rowsMax: 10_007 })).events?.length, 10_007);
    await pools.orders.query("truncate order_event");
    await assert.rejects(evidence({ rowsMax: 2 }), { code: "too-large" });
  });

  it("says what could not be read", async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const from = (other: Partial<Platform>) => readEvidence({ ...platform, ...other }, heard, { livingGateways: [] });
    await assert.rejects(from({ provider: { url: nowhere, key: "" } }), { code: "unreachable", where: "provider" });
    await assert.rejects(from({ provider: { url: platform.provider?.url ?? nowhere, key: "another" } }), (error: Error) => /401/.test(String(error.cause)));
    await assert.rejects(from({ provider: { url: "here", key: "" } }), { code: "invalid-input", where: "provider" });
    await assert.rejects(from({ databases: { ...urls, stock: nowhere } }), { code: "invalid-input", where: "stock" });
    await assert.rejects(from({ databases: { ...urls, stock: `postgres://127.0.0.1:${await freePort()}/x` } }), { code: "unreachable", where: "stock" });
    const withoutBook = await readEvidence({ databases: urls }, heard, { livingGateways: [] });
    assert.deepEqual([withoutBook.charges, withoutBook.orders === null, judge(withoutBook).find(({ checker }) => checker === "provider-agrees")?.verdict], [null, false, "unknown"]);
    await assert.rejects(evidence({ rowsMax: 0 }), { code: "invalid-input", where: "rowsMax" });
  });

  it("ends where the provider's book does not go on", async () => {
    const stuck = createServer((_, response) => response.end(JSON.stringify({ charges: [{ key: "a", cents: 1, state: "captured" }], after: 0 })));
    stuck.listen(0, "127.0.0.1");
    await once(stuck, "listening");
    try {
      await assert.rejects(readEvidence({ ...platform, provider: { url: `http://127.0.0.1:${(stuck.address() as AddressInfo).port}`, key: "" } }, heard, { livingGateways: [] }), /does not go on/);
    } finally {
      stuck.closeAllConnections();
      stuck.close();
    }
  });
});

const START = `insert into tripact.transaction (gid, definition, version, input_hash, input, epoch, seq, status, late, parked, ended_at, opening) values `;

describe("what tripact has left", () => {
  beforeEach(async () => {
    await soundRows();
    await pools.orders.query(await tripactTables());
  });

  it("is open and parked transactions, and sagas without a coordinator", async () => {
    await pools.orders.query(`${START} ('g1', 'd', '1', 'h', '{}', 0, 1, 'forward', false, null, null, '[]'), ('g2', 'd', '1', 'h', '{}', 0, 1, 'rolling-back', false, 'why', null, '[]'),
      ('g3', 'd', '1', 'h', '{}', 0, 1, 'committed', false, null, now(), '[]')`);
    await pools.orders.query(`insert into tripact.choreography (gid, definition, state, input, input_hash, steps, reason, deadline_at, decided_at, ended_at) values
      ('c1', 'd', 'forward', '{}', 'h', '[]', null, now(), null, null), ('c2', 'd', 'committed', '{}', 'h', '[]', null, now(), now(), now())`);
    const all = await evidence();
    assert.deepEqual(all.journals, [{ database: "orders", open: 3, parked: 1 }]);
    assert.deepEqual([alarms(judge(all)), figuresOf(judge(all)).stuck], [["nothing-stuck invalid"], 3]);
    const rest = await untilQuiet(urls, atRest);
    assert.deepEqual([rest.kind, rest.open.transactions], ["capped", 3]);
  });

  it("is messages that a cursor has not passed, and those that failed", async () => {
    const message = (n: number) => `insert into tripact.outbox (id, topic, key, payload) values (gen_random_uuid(), 't', 'k${n}', '{}')`;
    await pools.orders.query(message(1));
    assert.deepEqual((await evidence()).mailboxes, [{ database: "orders", subscription: "nobody", waiting: 1, parked: 0 }]);
    await pools.orders.query(`insert into tripact.outbox_lane (subscription, lane, system_identifier) select s, n, '1' from generate_series(0, 63) n, unnest(array['slow', 'swift']) s`);
    await pools.orders.query(`update tripact.outbox_lane set seen = pg_current_snapshot()::text where subscription = 'swift'`);
    await pools.orders.query(message(2));
    assert.deepEqual((await evidence()).mailboxes, [{ database: "orders", subscription: "slow", waiting: 2, parked: 0 }, { database: "orders", subscription: "swift", waiting: 1, parked: 0 }]);
    // In the middle of a backlog: the first of the two is behind it.
    await pools.orders.query(`update tripact.outbox_lane set upto = pg_current_snapshot()::text, after = (select min(seq) from tripact.outbox) where subscription = 'slow'`);
    assert.equal((await evidence()).mailboxes?.[0]?.waiting, 1);
    await pools.orders.query(`update tripact.outbox_lane set seen = pg_current_snapshot()::text, upto = null, after = null`);
    assert.deepEqual(alarms(await judged()), []);
    assert.equal((await untilQuiet(urls, comesToRest)).kind, "quiet");
    await pools.orders.query(`insert into tripact.outbox_retry (subscription, seq, id, lane, topic, key, payload, headers, recorded_at, state, attempts, decided_by)
      select 'slow', n, gen_random_uuid(), 0, 't', 'k', '{}', '{}', now(), state, 1, 'me' from unnest(array['waiting', 'late', 'parked', 'skipped', 'discarded']) with ordinality as s (state, n)`);
    const all = await evidence();
    assert.deepEqual(all.mailboxes?.find(({ subscription }) => subscription === "slow"), { database: "orders", subscription: "slow", waiting: 2, parked: 2 });
    assert.equal(figuresOf(judge(all)).stuck, 4);
    assert.equal((await untilQuiet(urls, atRest)).open.messages, 4);
  });
});

describe("how tripact kept its protocol", () => {
  beforeEach(async () => {
    await soundRows();
    await pools.orders.query(await tripactTables());
  });

  const opening = JSON.stringify([{ kind: "started" }, { kind: "registered", branch: "reserve", offer: { kind: "step", undo: "target", target: { payload: "\u0000 \ud800" } }, inputHash: "h" }]);
  const entry = JSON.stringify([{ kind: "done", branch: "reserve", op: "action", result: { kind: "done", text: "\u0000" } }, { kind: "decided", decision: "roll-back" }, { kind: "done", branch: "reserve", op: "compensate" }]);
  const nothing = { branch: null, op: null, offer: null, undo: null };

  it("is its journal, with who wrote what, whatever the payloads hold", async () => {
    await pools.orders.query({
      text: `insert into tripact.transaction (gid, definition, version, input_hash, input, epoch, seq, status, late, ended_at, opening, opening_owner) values ('g1', 'd', '1', 'h', '{}', 2, 2, 'rolled-back', false, now(), $1, gen_random_uuid())`,
      values: [opening],
    });
    await pools.orders.query({ text: "insert into tripact.entry (gid, seq, epoch, owner, entry) values ('g1', 2, 2, '00000000-0000-7000-8000-000000000001', $1)", values: [entry] });
    await pools.orders.query(`insert into tripact.choreography (gid, definition, state, input, input_hash, steps, deadline_at, decided_at, ended_at) values ('c1', 'd', 'committed', '{}', 'h', '[]', now(), now(), now())`);
    const all = await evidence();
    assert.ok(all.transactions !== null && all.transactions.every(({ endedAtMs }) => endedAtMs !== null && Math.abs(endedAtMs - Date.now()) < 600_000));
    assert.deepEqual(all.transactions.map(({ endedAtMs: _, ...rest }) => rest), [
      { gid: "g1", kind: "coordinated", status: "rolled-back", epoch: 2, seq: 2, pruned: false }, { gid: "c1", kind: "choreographed", status: "committed", epoch: 0, seq: 0, pruned: false },
    ]);
    assert.deepEqual(all.entries, [
      { gid: "g1", seq: 1, epoch: 0, owner: null, events: [{ ...nothing, kind: "started" }, { ...nothing, kind: "registered", branch: "reserve", offer: "step", undo: "target" }] },
      {
        gid: "g1", seq: 2, epoch: 2, owner: "00000000-0000-7000-8000-000000000001",
        events: [{ ...nothing, kind: "done", branch: "reserve", op: "action" }, { ...nothing, kind: "decided" }, { ...nothing, kind: "done", branch: "reserve", op: "compensate" }],
      },
    ]);
    const verdicts = Object.fromEntries(judge(all).map(({ checker, verdict }) => [checker, verdict]));
    assert.deepEqual([verdicts["fencing"], verdicts["saga-compensation"], verdicts["tcc-barrier"]], ["valid", "valid", "not-applicable"]);
    await pools.orders.query("insert into tripact.entry (gid, seq, epoch, owner, entry) values ('g1', 3, 1, '00000000-0000-7000-8000-000000000002', '[]'); update tripact.transaction set seq = 3");
    assert.deepEqual(alarms(await judged()), ["fencing invalid"]);
  });

  it("is its barriers, in any of the databases", async () => {
    await pools.orders.query(`insert into tripact.barrier (gid, branch, phase, op, state, epoch) values ('g1', 'pay', 1, 'try', 'done', 7), ('g1', 'pay', 2, 'cancel', 'empty', null)`);
    assert.deepEqual((await evidence()).barriers, [
      { database: "orders", gid: "g1", branch: "pay", phase: 1, op: "try", state: "done", epoch: 7 }, { database: "orders", gid: "g1", branch: "pay", phase: 2, op: "cancel", state: "empty", epoch: null },
    ]);
    assert.deepEqual(alarms(await judged()), ["tcc-barrier invalid"]);
  });

  it("is its outboxes, and who has taken in what, in which order", async () => {
    const id = (n: number): string => `0190000${n}-0000-7000-8000-000000000000`;
    const send = (n: number) => `insert into tripact.outbox (id, topic, key, payload) values ('${id(n)}', 't', 'k', '{}')`;
    const take = (n: number) => `insert into tripact.inbox (consumer, source, id) values ('stock', 'shop/orders', '${id(n)}')`;
    for (const statement of [send(1), send(2), send(3), take(2), take(1)]) await pools.orders.query(statement);
    await pools.orders.query(`insert into tripact.outbox_lane (subscription, lane, system_identifier, seen) select 's', n, '1', pg_current_snapshot()::text from generate_series(0, 63) n`);
    await pools.orders.query(`insert into tripact.outbox_retry (subscription, seq, id, lane, topic, key, payload, headers, recorded_at, state, attempts, decided_by) values ('s', 3, '${id(3)}', 0, 't', 'k', '{}', '{}', now(), 'discarded', 1, 'me')`);
    const all = await evidence();
    assert.deepEqual(all.messages?.map(({ seq: _, ...rest }) => rest), [1, 2, 3].map((n) => ({ database: "orders", id: id(n), topic: "t", key: "k", setAside: n === 3 })));
    assert.deepEqual(all.deliveries?.map(({ transactionId: _, ...rest }) => rest), [2, 1].map((n) => ({ database: "orders", consumer: "stock", source: "shop/orders", id: id(n) })));
    const objection = judge(all).find(({ checker }) => checker === "outbox-delivery");
    assert.deepEqual([objection?.verdict, Object.keys(objection?.counts.kinds ?? {})], ["invalid", ["out-of-order"]]);
    await pools.orders.query(`delete from tripact.inbox where id = '${id(1)}'`);
    await pools.orders.query(take(3));
    assert.deepEqual(Object.keys(judge(await evidence()).find(({ checker }) => checker === "outbox-delivery")?.counts.kinds ?? {}), ["lost"]);
  });
});

describe("until quiet", () => {
  beforeEach(soundRows);

  it("counts what is still open, by kind", async () => {
    await pools.orders.query("update orders set state = 'placed', ended_at = null where order_id = 'a'");
    await pools.payment.query("update payment set errand = 'void' where order_id = 'b'; update payment set state = 'authorised' where order_id = 'a'");
    const rest = await untilQuiet(urls, { ...atRest, livingGateways: [], capMs: 0 });
    assert.deepEqual([rest.kind, rest.looks, rest.open], ["capped", 1, { orders: 1, payments: 2, chunks: 1, transactions: 0, messages: 0, unread: [] }]);
  });

  it("waits for the chunk of a gateway that came back under its name, and so do the judges", async () => {
    const chunks = async (gatewaysSinceMs: number): Promise<number> => (await untilQuiet(urls, { ...atRest, gatewaysSinceMs, capMs: 0 })).open.chunks;
    assert.deepEqual([await chunks(Date.now() - 3_600_000), await chunks(Date.now() + 3_600_000)], [0, 1]);
    const verdicts = judge(await readEvidence(platform, heard, { livingGateways: ["g1"], gatewaysSinceMs: Date.now() + 3_600_000 }));
    assert.deepEqual(Object.keys(verdicts.find(({ checker }) => checker === "nothing-stuck")?.counts.kinds ?? {}), ["chunk"]);
  });

  it("ends when the last of it does", async () => {
    await pools.orders.query(await tripactTables());
    await pools.orders.query("update orders set state = 'refunding', ended_at = null where order_id = 'a'");
    const waiting = untilQuiet(urls, { ...atRest, pollMs: 100, capMs: 30_000 });
    // A look's last question: by then it has its answer about the orders.
    const looked = "select from pg_stat_activity where application_name = 'lab evidence' and query like '%tripact.outbox_position%' and datname = current_database()";
    await until(async () => (await pools.orders.query(looked)).rowCount === 1);
    await pools.orders.query("update orders set state = 'refunded', ended_at = now() where order_id = 'a'");
    const rest = await waiting;
    assert.deepEqual([rest.kind, rest.open.orders, rest.looks >= 3], ["quiet", 0, true]);
  });

  it("looks twice, and takes a database that does not answer for anything but quiet", async () => {
    assert.equal((await untilQuiet(urls, comesToRest)).looks, 2);
    const target = new URL(urls.stock);
    const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
    try {
      target.hostname = "127.0.0.1";
      target.port = String(proxy.port);
      assert.equal((await untilQuiet({ ...urls, stock: target.href }, comesToRest)).kind, "quiet");
    } finally {
      await proxy.close();
    }
    const rest = await untilQuiet({ ...urls, stock: target.href }, atRest);
    assert.equal(rest.kind, "capped");
    assert.match(rest.open.unread.join(), /^stock: .*no connection/);
    await pools.payment.query("alter table payment rename to paying");
    try {
      assert.deepEqual((await untilQuiet(urls, { ...atRest, capMs: 0 })).open.unread, ["payment: there is no table payment"]);
    } finally {
      await pools.payment.query("alter table paying rename to payment");
    }
  });

  it("stops when it is told to, and refuses what is no time", async () => {
    await assert.rejects(untilQuiet(urls, { ...atRest, signal: AbortSignal.abort(new Error("enough")) }), /enough/);
    await assert.rejects(untilQuiet(urls, { ...atRest, capMs: Number.NaN }), { code: "invalid-input" });
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const capMs = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > capMs) throw new Error("it did not come to that");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
