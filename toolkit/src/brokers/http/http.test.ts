import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import type { FreshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { postgresInbox } from "../../participants/inbox.ts";
import { migrateBarrier } from "../../participants/migrate.ts";
import { pgTransactions } from "../../participants/transaction.ts";
import { Refused } from "../../protocol/outcome.ts";
import { describeSink, sampleEnvelope } from "../conformance.ts";
import type { Envelope, Sink } from "../broker.ts";
import { consume, eventHandler, httpSink } from "./index.ts";
import type { ReceiveEvent } from "./index.ts";

const secret = "both sides know this secret";
const never = new AbortController().signal;

async function serve(receive: ReceiveEvent): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(eventHandler({ secrets: [secret], receive }));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events` };
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  if (server.listening) await new Promise((resolve) => server.close(resolve));
}

for (const mode of ["binary", "structured"] as const) {
  describeSink(`http, ${mode}`, async (arrive) => {
    const { server, url } = await serve(arrive);
    return { sink: httpSink({ url, secret, mode, batchMax: 100 }), answeredBy: "receiver", down: () => close(server), close: () => close(server) };
  });
}

describe("an event that counts once", () => {
  let database: FreshDatabase;
  let pool: Pool;
  let server: Server;
  let sink: Sink;
  let effect: (event: Envelope) => Promise<void>;

  before(async () => {
    database = await freshDatabase("events");
    pool = new Pool({ connectionString: database.url, max: 8 });
    const open = pgTransactions(pool);
    await open(migrateBarrier);
    await pool.query("create table mail (message text)");
    const receive = consume(open, postgresInbox(), "mailer", async (db, event) => {
      await db.execute("insert into mail values ($1)", [event.id]);
      await effect(event);
    });
    const served = await serve(receive);
    server = served.server;
    sink = httpSink({ url: served.url, secret, persistent: true });
  });
  after(async () => {
    await sink.close();
    await close(server);
    await pool.end();
    await database.drop();
  });

  const deliver = async (message: Envelope): Promise<string> => (await sink.deliver([message], never)).map(({ kind }) => kind).join();
  const mails = async ({ id }: Envelope): Promise<number> => Number((await pool.query("select count(*)::int as n from mail where message = $1", [id])).rows[0]?.n);

  it("however often it comes, also at once", async () => {
    effect = async () => {};
    const message = sampleEnvelope();
    const receipts = await sink.deliver(Array.from({ length: 6 }, () => message), never);
    assert.deepEqual(receipts.map(({ kind }) => kind), receipts.map(() => "done"));
    assert.equal(await deliver({ ...message, attempt: 2 }), "done");
    assert.equal(await mails(message), 1);
  });

  it("has not come when its effect failed", async () => {
    const message = sampleEnvelope();
    effect = () => Promise.reject(new Error("template missing"));
    assert.equal(await deliver(message), "unknown");
    assert.equal(await mails(message), 0);
    effect = async () => {};
    assert.equal(await deliver(message), "done");
    assert.equal(await mails(message), 1);
  });

  it("has left nothing when it was refused, and may be asked for again", async () => {
    const message = sampleEnvelope();
    effect = () => Promise.reject(new Refused("unknown-address"));
    assert.equal(await deliver(message), "refused");
    assert.equal(await mails(message), 0);
    effect = async () => {};
    assert.equal(await deliver(message), "done");
  });

  it("is not done when its commit's reply is lost, and is found out by the next delivery", async () => {
    const message = sampleEnvelope();
    effect = async () => {};
    const open = pgTransactions(pool);
    let lost = 1;
    const receive = consume(
      async (work) => {
        const result = await open(work);
        if ((lost -= 1) >= 0) throw new Error("connection terminated");
        return result;
      },
      postgresInbox(),
      "mailer",
      async (db, event) => void (await db.execute("insert into mail values ($1)", [event.id])),
    );
    await assert.rejects(receive(message), /terminated/);
    await receive(message);
    assert.equal(await mails(message), 1);
  });
});
