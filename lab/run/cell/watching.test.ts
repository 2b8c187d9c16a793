import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { freshDatabase, startProxy, type FreshDatabase, type TcpProxy } from "@tripact/testbed";
import { Client } from "pg";
import { watchBacklog } from "./backlog.ts";
import { probeHealth } from "./probing.ts";
import { lookAsStranger } from "./stranger.ts";

const server = createServer((_request, response) => response.end("ok"));
let proxy: TcpProxy;
let database: FreshDatabase;
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy = await startProxy({ target: { host: "127.0.0.1", port: (server.address() as { port: number }).port } });
  database = await freshDatabase("backlog");
});
after(async () => {
  await proxy.close();
  server.close();
  await database.drop();
});

async function until(isSo: () => boolean): Promise<void> {
  for (let look = 0; look < 500 && !isSo(); look += 1) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(isSo(), "not seen within ten seconds");
}

test("what answers is up, what is silent is down, and both are in order", async () => {
  const probing = probeHealth(`http://127.0.0.1:${proxy.port}`);
  const seen = (ok: boolean): boolean => probing.probes.at(-1)?.ok === ok;
  await until(() => seen(true));
  await proxy.blackHole();
  await until(() => seen(false));
  await proxy.pass();
  await until(() => seen(true));
  await probing.stop();
  await probing.stop();
  const { probes } = probing;
  assert.ok(probes.every(({ fromMs, toMs }, index) => fromMs <= toMs && fromMs >= (probes[index - 1]?.toMs ?? 0)));
});

test("mail that is overdue and that its consumer has not applied is counted over all databases; one that cannot be asked leaves no level", async () => {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  const urls = { orders: database.url, stock: database.url, payment: database.url };
  const watch = watchBacklog(urls);
  try {
    await until(() => watch.levels.at(-1)?.level === 0);
    await client.query(`create schema tripact;
      create table tripact.outbox (id uuid, tx xid8, seq bigint, lane integer, recorded_at timestamptz);
      create table tripact.outbox_position (subscription text, lane integer, seen text, upto text, after bigint);
      create table tripact.outbox_retry (subscription text, state text, id uuid, recorded_at timestamptz);
      create table tripact.inbox (consumer text, source text, id text);
      insert into tripact.outbox_position (subscription, lane, seen) values ('stock', 0, '10:10:');
      insert into tripact.outbox (id, tx, lane, recorded_at) values
        (gen_random_uuid(), '9', 0, clock_timestamp() - interval '1 minute'), (gen_random_uuid(), '10', 0, clock_timestamp() - interval '1 minute'),
        (gen_random_uuid(), '11', 0, clock_timestamp() + interval '1 hour');
      insert into tripact.outbox_retry select 'stock', state, md5(state)::uuid, clock_timestamp() - interval '1 minute' from unnest(array['waiting', 'late', 'parked']) as state`);
    // One in the log and two in the retry table, of three times the same database.
    await until(() => watch.levels.at(-1)?.level === 9);
    await client.query("insert into tripact.inbox select 'stock', source, md5('late')::uuid::text from unnest(array['orders', 'payment', 'elsewhere']) as source");
    // Of two outboxes; that several inboxes have it, as each of the three finds it here, does not count twice.
    await until(() => watch.levels.at(-1)?.level === 7);
    await watch.stop();
    await watch.stop();
    const nowhere = watchBacklog({ ...urls, stock: "postgres://postgres@127.0.0.1:9/nowhere" });
    await nowhere.stop();
    assert.deepEqual(nowhere.levels, []);
  } finally {
    // Whoever goes on looking keeps this process alive.
    await watch.stop();
    await client.end();
  }
});

test("a stranger sees what stands now, each thing once for each kind, and of orders and stock only this sale's", async () => {
  const client = new Client({ connectionString: database.url });
  await client.connect();
  try {
    // The columns that he reads, of all three services in one database.
    await client.query(`create table orders (order_id text, sku text, state text, ended_at timestamptz default clock_timestamp());
      create table hold (order_id text, sku text, state text);
      create table movement (id bigint generated always as identity, reference text, at timestamptz default clock_timestamp());
      create table payment (order_id text, state text, changed_at timestamptz default clock_timestamp());
      insert into orders (order_id, sku, state) values ('a', 'lamp', 'paid'), ('b', 'lamp', 'declined'), ('z', 'other', 'paid');
      insert into orders values ('old', 'lamp', 'paid', clock_timestamp() - interval '1 hour');
      insert into hold values ('a', 'lamp', 'sold'), ('b', 'lamp', 'held'), ('c', 'lamp', 'released'), ('z', 'other', 'sold');
      insert into movement (reference) values ('a'), ('a'), ('b'), ('c'), ('z');
      insert into payment (order_id, state) values ('a', 'captured'), ('b', 'authorised'), ('c', 'voided')`);
    const stranger = lookAsStranger({ orders: database.url, stock: database.url, payment: database.url }, "lamp");
    const told = (): string[] => stranger.sightings.map(({ kind, orderId }) => `${kind} ${orderId}`).toSorted();
    await until(() => stranger.sightings.length >= 5);
    assert.deepEqual(told(), ["orderPaid a", "paymentAuthorised b", "paymentCaptured a", "unitsHeld b", "unitsSold a"]);
    await client.query("update payment set state = 'captured', changed_at = clock_timestamp() where order_id = 'b'");
    await until(() => stranger.sightings.length >= 6);
    assert.deepEqual(told().filter((each) => each.endsWith(" b")), ["paymentAuthorised b", "paymentCaptured b", "unitsHeld b"]);
    assert.ok(stranger.looks > 3 && stranger.unanswered === 0);
    await stranger.stop();
    await stranger.stop();
    const nowhere = "postgres://postgres@127.0.0.1:9/nowhere";
    const blind = lookAsStranger({ orders: nowhere, stock: nowhere, payment: nowhere }, "lamp");
    await until(() => blind.unanswered >= 3);
    await blind.stop();
    assert.deepEqual([blind.looks, blind.sightings], [0, []]);
  } finally {
    await client.end();
  }
});
