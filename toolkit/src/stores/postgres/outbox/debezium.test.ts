import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Pool } from "pg";
import type { Envelope, Sink } from "../../../brokers/broker.ts";
import { run } from "../../../cli/run.ts";
import { createRelay, postgresOutboxLog, type Relay } from "../../../relay.ts";

const database = await freshDatabase("debezium");
const pool = new Pool({ connectionString: database.url, max: 4 });
const got: Envelope[] = [];
let relay: Relay | undefined;
after(async () => {
  await relay?.stop();
  await pool.end();
  await database.drop();
});

const sink: Sink = {
  features: { name: "ear", persistent: false, ordered: true, deduplicates: false, batchMax: 100 },
  deliver: async (messages) => {
    got.push(...messages);
    return messages.map(() => ({ kind: "done" }));
  },
  close: async () => undefined,
};

async function delivered(count: number): Promise<readonly Envelope[]> {
  for (let tries = 0; tries < 1_500 && got.length < count; tries += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(got.length, count);
  return got.splice(0);
}

async function migrated(...options: readonly string[]): Promise<string> {
  let printed = "";
  const say = (text: string): void => void (printed += text);
  const exit = await run(["migrate", ...options], { out: say, err: say, env: { TRIPACT_URL: database.url } });
  return `${exit} ${printed}`;
}

const ids = ["4d47e190-0402-4048-bc2c-89dd54343cdc", "406c07f3-26f0-4eea-a50c-109940064b8f", "0199a1b2-0000-7000-8000-000000000001"] as const;

describe("an application that writes Debezium's outbox layout", () => {
  test("gets its table by one command, that may be repeated", async () => {
    assert.match(await migrated("--debezium", "--participant"), /^2 .*say one/);
    assert.match(await migrated("--debezium"), /^0 applied 0001-journal\n[^]*applied debezium layout\n[^]*is up to date\n$/);
    await pool.query("create or replace function tripact.outbox_debezium_topic(aggregatetype text, type text) returns text language sql immutable as $$ select 'shop.' || aggregatetype $$");
    assert.match(await migrated("--debezium"), /^0 applied debezium layout\n/);
    const { rows } = await pool.query("select tripact.outbox_debezium_topic('Order', 'x') as topic");
    assert.equal(rows[0]?.topic, "shop.Order", "a topic function of the user's own stays");
    await pool.query("create or replace function tripact.outbox_debezium_topic(aggregatetype text, type text) returns text language sql immutable as $$ select aggregatetype $$");
    // Under the name that its statements have, and with its own columns.
    await pool.query("create view outboxevent as select id, aggregatetype, aggregateid, type, payload from tripact.outbox_debezium");
    relay = await createRelay({ log: postgresOutboxLog({ url: database.url }), source: "shop", subscriptions: [{ name: "all", sink }] });
  });

  test("has its rows delivered, in order within the aggregate, whatever their type", async () => {
    const insert = "insert into outboxevent (id, aggregatetype, aggregateid, type, payload) values ($1, $2, $3, $4, $5)";
    const client = await pool.connect();
    await client.query("begin");
    await client.query(insert, [ids[0], "Order", "1", "OrderCreated", { id: 1, total: 39.98 }]);
    await client.query(`${insert} returning id`, [ids[1], "Order", "1", "OrderCancelled", JSON.stringify({ id: 1 })]);
    // Quarkus and others take the row away again at once, and count the rows.
    assert.equal((await client.query("delete from outboxevent where id = $1", [ids[0]])).rowCount, 1);
    assert.equal((await client.query("select from outboxevent")).rowCount, 2);
    await client.query("commit");
    assert.equal((await client.query("select from outboxevent")).rowCount, 0);
    await client.query("begin");
    await client.query(insert, [ids[2], "Order", "1", "OrderShipped", null]);
    await client.query("rollback");
    client.release();
    assert.deepEqual(
      (await delivered(2)).map(({ id, topic, key, payload, headers }) => ({ id, topic, key, payload, headers })),
      [
        { id: ids[0], topic: "Order", key: "1", payload: '{"id":1,"total":39.98}', headers: { eventtype: "OrderCreated" } },
        { id: ids[1], topic: "Order", key: "1", payload: '{"id":1}', headers: { eventtype: "OrderCancelled" } },
      ],
    );
  });

  test("may bind what its own columns were made for: jsonb, numbers, times, nothing", async () => {
    await pool.query("insert into outboxevent values ($1, 'Customer', 7, 'Moved', $2::jsonb)", [ids[0], { city: "Oslo" }]);
    await pool.query("insert into tripact.outbox_debezium (aggregatetype, aggregateid, payload) values ('Customer', gen_random_uuid(), null)");
    await pool.query(`insert into tripact.outbox_debezium (id, aggregatetype, aggregateid, type, payload, headers, timestamp)
      select id, 'Customer', n, 'Moved', '[]', '{"tenant": "acme", "tries": 2, "none": null}'::jsonb, 1556890294484::bigint from unnest($1::uuid[]) with ordinality as m (id, n)`, [ids.slice(1)]);
    const all = await delivered(4);
    assert.deepEqual(all.map(({ payload }) => payload), ['{"city": "Oslo"}', "null", "[]", "[]"]);
    assert.deepEqual(all.map(({ headers }) => headers), [{ eventtype: "Moved" }, {}, ...[1, 2].map(() => ({ tenant: "acme", tries: "2", eventtype: "Moved", eventtimestamp: "1556890294484" }))]);
  });

  test("is refused at its insert what could not be delivered, or would be lost", async () => {
    const insert = (values: string): Promise<unknown> => pool.query(`insert into tripact.outbox_debezium (aggregatetype, aggregateid, payload, headers) values (${values})`);
    await assert.rejects(insert(`'', '1', '{}', null`), /invalid-input: the topic/);
    await assert.rejects(insert(`'Order', null, '{}', null`), /invalid-input: aggregateid/);
    await assert.rejects(insert(`'Order', e'1\\n', '{}', null`), /invalid-input: aggregateid/);
    await assert.rejects(insert(`'Order', '1', 'no JSON', null`), /invalid input syntax for type json/);
    await assert.rejects(insert(`'Order', '1', '{}', '[]'`), /invalid-input: headers/);
    await assert.rejects(pool.query("set synchronous_commit = off; insert into outboxevent values (null, 'Order', '1', null, '{}')"), /durability-refused/);
    const updated = "with own as (insert into outboxevent values (null, 'Order', '1', null, '{}') returning id) select; update outboxevent set payload = '[]'";
    await assert.rejects(pool.query(updated), /a message is not updated/);
    assert.equal((await pool.query("select from tripact.outbox where key = '1' and topic = ''")).rowCount, 0);
  });

  test("is read by id through an index of the log, for its delete", async () => {
    const { rows } = await pool.query<Record<string, string>>("explain delete from outboxevent where id = $1", [ids[0]]);
    const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
    assert.match(plan, /outbox_\d\d_tx_idx/);
  });
});
