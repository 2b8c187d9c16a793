import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, afterEach, before, describe, it } from "node:test";
import { freshDatabase, type FreshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { postgresInbox } from "../../participants/inbox.ts";
import { migrateBarrier } from "../../participants/migrate.ts";
import { pgTransactions, type OpenTransaction } from "../../participants/transaction.ts";
import { Refused } from "../../protocol/outcome.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import { describeSink, sampleEnvelope } from "../conformance.ts";
import type { Envelope, Receipt, Sink } from "../broker.ts";
import { consume, eventHandler, httpSink } from "./index.ts";
import type { EventHandlerOptions, HttpSinkOptions, ReceiveEvent } from "./index.ts";

const secret = "both sides know this secret";
const never = new AbortController().signal;
const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0)) await close();
});

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`;
}

async function end(server: Server): Promise<void> {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}

interface Pair {
  readonly sink: Sink;
  readonly requests: () => number;
}

async function pairOf(receive: ReceiveEvent, options: Partial<HttpSinkOptions> = {}, more: Partial<EventHandlerOptions> = {}): Promise<Pair> {
  let requests = 0;
  const handler = eventHandler({ secrets: [secret], receive, ...more });
  const server = createServer((request, response) => {
    requests += 1;
    handler(request, response);
  });
  const sink = httpSink({ url: await listening(server), secret, batches: true, ...options });
  closings.push(async () => {
    await sink.close();
    await end(server);
  });
  return { sink, requests: () => requests };
}

const kinds = (receipts: readonly Receipt[]): string => receipts.map((receipt) => (receipt.kind === "refused" ? `refused ${receipt.code}` : receipt.kind)).join(", ");

describeSink("http, batches", async (arrive) => {
  const server = createServer(eventHandler({ secrets: [secret], receive: arrive }));
  return { sink: httpSink({ url: await listening(server), secret, batches: true, batchMax: 100 }), answeredBy: "receiver", down: () => end(server), close: () => end(server) };
});

describe("a batch over HTTP", () => {
  it("is one request, in its order, and each message is as it was sent", async () => {
    const heard: Envelope[] = [];
    const { sink, requests } = await pairOf((envelope) => void heard.push(envelope));
    const messages = ["a", "b", "a"].map((key, n) => sampleEnvelope({ key, payload: JSON.stringify({ n, text: "Euro €" }), headers: { tenant: "acme", "X-Odd": "ü" }, attempt: 2 }));
    assert.equal(kinds(await sink.deliver(messages, never)), "done, done, done");
    assert.deepEqual(heard, messages);
    assert.equal(requests(), 1);
  });

  it("says for each what became of it; behind one that was not taken, no other of its key is tried", async () => {
    const asked: string[] = [];
    const { sink } = await pairOf(({ key, id }) => {
      asked.push(key);
      if (key === "poison") throw new Refused("not-understood");
      if (key === "later") throw new Error(`not yet: ${id}`);
    });
    const receipts = await sink.deliver(["fine", "poison", "later", "poison", "later", "fine"].map((key) => sampleEnvelope({ key })), never);
    assert.equal(kinds(receipts), "done, refused not-understood, unknown, unknown, unknown, done");
    assert.deepEqual(asked, ["fine", "poison", "later", "fine"]);
  });

  it("keeps the order of a key whoever's messages are forwarded in it", async () => {
    const asked: string[] = [];
    const { sink } = await pairOf(({ source }) => {
      asked.push(source);
      if (source === "shop/first") throw new Error("not yet");
    });
    const forwarded = ["shop/first", "shop/second"].map((source) => sampleEnvelope({ source, key: "one" }));
    assert.equal(kinds(await sink.deliver(forwarded, never)), "unknown, unknown");
    // Nor when they go in two requests.
    const large = forwarded.map((message) => ({ ...message, payload: JSON.stringify("x".repeat(400_000)) }));
    assert.equal(kinds(await sink.deliver(large, never)), "unknown, unknown");
    assert.deepEqual(asked, ["shop/first", "shop/first"]);
  });

  it("is cut to what a receiver takes, one request after the other", async () => {
    const heard: number[] = [];
    const { sink, requests } = await pairOf(({ payload }) => void heard.push(payload.length));
    const large = [100_000, 450_000, 200_000, 1_000_000, 10].map((length) => sampleEnvelope({ key: "one", payload: JSON.stringify("x".repeat(length)) }));
    assert.equal(kinds(await sink.deliver(large, never)), "done, done, done, done, done");
    assert.deepEqual(heard, large.map(({ payload }) => payload.length));
    assert.equal(requests(), 4);
  });

  it("proves nothing when somebody answers who does not know batches", async () => {
    const answers: readonly (readonly [number, string])[] = [[200, "thanks"], [204, ""], [200, "[]"], [200, '[{"status":204},{"status":204}]'], [409, '{"code":"sold-out"}'], [415, ""]];
    for (const [status, body] of answers) {
      const server = createServer((_request, response) => response.writeHead(status, { "content-type": "application/json" }).end(body));
      const sink = httpSink({ url: await listening(server), secret, batches: true });
      closings.push(() => end(server));
      assert.equal(kinds(await sink.deliver([sampleEnvelope(), sampleEnvelope()], never)), "unknown, unknown", `${status} ${body}`);
      await sink.close();
    }
  });

  it("is believed only as it was signed", async () => {
    const heard: Envelope[] = [];
    const { sink } = await pairOf((envelope) => void heard.push(envelope), {}, { secrets: ["the secret of somebody else"] });
    assert.equal(kinds(await sink.deliver([sampleEnvelope(), sampleEnvelope()], never)), "unknown, unknown");
    assert.deepEqual(heard, []);
  });
});

describe("events that are consumed together", () => {
  let database: FreshDatabase;
  let pool: Pool;
  before(async () => {
    database = await freshDatabase("together");
    pool = new Pool({ connectionString: database.url, max: 4 });
    await pgTransactions(pool)(migrateBarrier);
    await pool.query("create table mail (message text, xact text default pg_current_xact_id()::text)");
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  type Effect = (db: SqlExecutor, event: Envelope) => Promise<unknown>;
  const write: Effect = (db, event) => db.execute("insert into mail (message) values ($1)", [event.id]);
  const mails = async (messages: readonly Envelope[]): Promise<readonly { readonly message: string; readonly xact: string }[]> =>
    (await pool.query("select message, xact from mail where message = any ($1) order by ctid", [messages.map(({ id }) => id)])).rows;
  const consuming = (effect: Effect, open: OpenTransaction = pgTransactions(pool)): Promise<Pair> => pairOf(consume(open, postgresInbox(), "mailer", effect));

  it("share one transaction, and each counts once however often it comes", async () => {
    const { sink } = await consuming(write);
    const messages = Array.from({ length: 5 }, () => sampleEnvelope());
    const [first] = messages as [Envelope];
    assert.equal(kinds(await sink.deliver([first], never)), "done");
    assert.equal(kinds(await sink.deliver([...messages, first], never)), "done, done, done, done, done, done");
    assert.equal(kinds(await sink.deliver(messages, never)), "done, done, done, done, done");
    const found = await mails(messages);
    assert.deepEqual(found.map(({ message }) => message), messages.map(({ id }) => id));
    assert.equal(new Set(found.map(({ xact }) => xact)).size, 2);
  });

  it("are taken one by one when one of them fails, which leaves nothing behind", async () => {
    const poison = sampleEnvelope();
    const later = sampleEnvelope();
    let broken = true;
    const { sink } = await consuming(async (db, event) => {
      await write(db, event);
      if (event.id === poison.id) throw new Refused("unknown-address");
      if (event.id === later.id && broken) throw new Error("template missing");
    });
    const messages = [sampleEnvelope(), poison, later, sampleEnvelope()];
    assert.equal(kinds(await sink.deliver(messages, never)), "done, refused unknown-address, unknown, done");
    assert.deepEqual((await mails(messages)).map(({ message }) => message), [messages[0]?.id, messages[3]?.id]);
    broken = false;
    assert.equal(kinds(await sink.deliver(messages, never)), "done, refused unknown-address, done, done");
    assert.equal((await mails(messages)).length, 3);
  });

  it("are not done when an effect broke or ended the transaction unnoticed, whatever opened it", async () => {
    // A library that does not look at what its commit was answered.
    const careless: OpenTransaction = async (work) => {
      const client = await pool.connect();
      try {
        await client.query("begin");
        const result = await work({ execute: (text, values) => client.query(text, [...values]) });
        await client.query("commit");
        return result;
      } catch (error) {
        await client.query("rollback");
        throw error;
      } finally {
        client.release();
      }
    };
    for (const breaking of ["select 1 / 0", "commit", "rollback"]) {
      const { sink } = await consuming(async (db, event) => {
        await write(db, event);
        await db.execute(breaking, []).catch(() => undefined);
      }, careless);
      assert.equal(kinds(await sink.deliver([sampleEnvelope()], never)), "unknown", breaking);
    }
  });

  it("meet others at the same rows without losing anything", async () => {
    await pool.query("create table counter (name text primary key, n int not null)");
    await pool.query("insert into counter values ('a', 0), ('b', 0)");
    const count: Effect = (db, { key }) => db.execute("update counter set n = n + 1 where name = $1", [key]);
    const { sink } = await consuming(count);
    const batchOf = (keys: string): Envelope[] => keys.split("").map((key) => sampleEnvelope({ key }));
    const receipts = await Promise.all(["ab", "ba", "ab", "ba"].map((keys) => sink.deliver(batchOf(keys), never)));
    assert.equal(kinds(receipts.flat()), Array.from({ length: 8 }, () => "done").join(", "));
    const { rows } = await pool.query("select n from counter");
    assert.deepEqual(rows.map(({ n }) => n), [4, 4]);
  });
});
