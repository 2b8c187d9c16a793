import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Pool } from "pg";
import type { Sink } from "../../src/brokers/broker.ts";
import { createRelay, postgresOutboxLog, type Relay } from "../../src/relay.ts";
import { makeDebeziumLayout, migrate } from "../../src/stores/postgres/store.ts";
import { pgTransactions } from "../../src/participants/transaction.ts";

// The SQL is that of docs/from-a-hand-written-outbox.md: ```sql <name>.
const page = readFileSync(new URL("../../../docs/from-a-hand-written-outbox.md", import.meta.url), "utf8");
const sql = (name: string): string => {
  const block = new RegExp(`^\`\`\`sql ${name}\\n([^]*?)^\`\`\`$`, "m").exec(page)?.[1];
  assert.ok(block !== undefined, name);
  return block;
};

const KEYS = 8;

/** A receiver without any memory: whatever comes twice, or late, is seen. */
function receiver() {
  const got: string[] = [];
  const sink: Sink = {
    features: { name: "receiver", persistent: false, ordered: true, deduplicates: false, batchMax: 50 },
    deliver: async (messages) => {
      for (const { key, payload } of messages) got.push(`${key}:${JSON.parse(payload).n}`);
      return messages.map(() => ({ kind: "done" }));
    },
    close: async () => undefined,
  };
  return { got, sink };
}

describe("the change-over from a hand-written outbox, and back", () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let pool: Pool;
  before(async () => {
    database = await freshDatabase("hand_written");
    pool = new Pool({ connectionString: database.url, max: 12 });
    await migrate(database.url);
    await pool.query(sql("old-table"));
    await pool.query("create table counter (key text primary key, n int not null)");
    await pool.query(`insert into counter select 'k' || k, 0 from generate_series(0, ${KEYS - 1}) k`);
  });
  after(async () => {
    await pool.end();
    await database.drop();
  });

  test("loses, doubles and reorders nothing under writers that do not stop", async () => {
    const { got, sink } = receiver();
    let writing = true;
    /** Serialised on the key by the row that it locks, as business writes are. */
    const write = async (key: string): Promise<void> => {
      const client = await pool.connect();
      try {
        await client.query("begin");
        const { rows } = await client.query<{ n: number }>("update counter set n = n + 1 where key = $1 returning n", [key]);
        await client.query("insert into outbox (aggregate_type, aggregate_id, payload) values ('order', $1, $2)", [key, { n: rows[0]?.n }]);
        await client.query("commit");
      } finally {
        client.release();
      }
    };
    const writers = Array.from({ length: KEYS }, async (_, k) => {
      while (writing) await write(`k${k}`);
    });
    /** The old relay, as it should have been: one at a time, marked when it is sent. */
    let polling = true;
    const oldRelay = async (): Promise<void> => {
      while (polling) {
        const { rows } = await pool.query<{ id: string; aggregate_id: string; payload: { n: number } }>("select id, aggregate_id, payload from outbox where published_at is null order by id limit 50");
        for (const { aggregate_id: key, payload } of rows) got.push(`${key}:${payload.n}`);
        await pool.query("update outbox set published_at = now() where id = any ($1)", [rows.map(({ id }) => id)]);
      }
    };
    const drained = async (): Promise<void> => {
      while ((await pool.query<{ count: string }>(sql("drained"))).rows[0]?.count !== "0") await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const written = async (): Promise<number> => Number((await pool.query("select sum(n) as n from counter")).rows[0]?.n);
    const more = async (): Promise<void> => {
      const from = await written();
      while ((await written()) < from + 200) await new Promise((resolve) => setTimeout(resolve, 5));
    };

    const old = oldRelay();
    await more();
    await pool.query(sql("divert"));
    await more();
    await drained();
    polling = false;
    await old;
    const sentByOld = got.length;
    const relay: Relay = await createRelay({ log: postgresOutboxLog({ url: database.url }), source: "shop", subscriptions: [{ name: "mailer", sink }] });
    while (got.length === sentByOld) await new Promise((resolve) => setTimeout(resolve, 5));

    await pool.query(sql("undivert"));
    await more();
    for (let left = 1; left > 0; ) {
      const [standing] = await relay.desk.standings();
      left = (standing?.pending ?? 1) + (standing?.waiting ?? 0) + (standing?.late ?? 0);
    }
    await relay.stop();
    polling = true;
    const again = oldRelay();
    writing = false;
    await Promise.all(writers);
    await drained();
    polling = false;
    await again;

    for (let k = 0; k < KEYS; k += 1) {
      const numbers = got.filter((it) => it.startsWith(`k${k}:`)).map((it) => Number(it.split(":")[1]));
      const { rows } = await pool.query<{ n: number }>("select n from counter where key = $1", [`k${k}`]);
      assert.deepEqual(numbers, Array.from({ length: rows[0]?.n ?? 0 }, (_, n) => n + 1), `k${k}`);
    }
  });

  test("keeps the INSERT of Debezium's layout, under the name that it had", async () => {
    await pgTransactions(pool)(makeDebeziumLayout);
    await pool.query(sql("debezium"));
    await pool.query("create table outboxevent (id uuid primary key, aggregatetype varchar(255) not null, aggregateid varchar(255) not null, type varchar(255) not null, payload jsonb)");
    await pool.query(sql("rename"));
    await pool.query("insert into outboxevent (id, aggregatetype, aggregateid, type, payload) values (gen_random_uuid(), 'Order', '1', 'OrderCreated', '{}'::jsonb)");
    const { rows } = await pool.query("select topic, key, headers from tripact.outbox where topic = 'Order' order by seq");
    assert.deepEqual(rows, [1, 2].map(() => ({ topic: "Order", key: "1", headers: '{"eventtype": "OrderCreated"}' })));
    await pool.query("begin; drop view outboxevent; alter table outboxevent_before rename to outboxevent; commit");
    await pool.query("insert into outboxevent values (gen_random_uuid(), 'Order', '1', 'OrderCreated', null)");
  });
});
