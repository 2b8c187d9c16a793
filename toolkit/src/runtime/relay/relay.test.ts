import assert from "node:assert/strict";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { send } from "../../participants/outbox.ts";
import { migrateBarrier } from "../../participants/migrate.ts";
import { pgTransactions } from "../../participants/transaction.ts";
import { migrate } from "../../stores/postgres/migrate.ts";
import { createRelay, postgresConsumer, postgresOutboxLog, type Notice, type Relay } from "../../relay.ts";

const database = await freshDatabase("relay");
const pool = new Pool({ connectionString: database.url, max: 8 });
after(async () => {
  await pool.end();
  await database.drop();
});
const open = pgTransactions(pool);
await migrate(database.url);
await open(migrateBarrier);
await pool.query("create table applied (n bigint generated always as identity, consumer text, id text, topic text, key text, value text)");

async function eventually(holds: () => Promise<boolean>, what: string): Promise<void> {
  const untilMs = performance.now() + 15_000;
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, `within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("messages of committed transactions arrive once, in order per key; rolled back ones never", async () => {
  const notices: Notice[] = [];
  const relay: Relay = await createRelay({
    log: postgresOutboxLog({ url: database.url }),
    source: "shop",
    onNotice: (notice) => notices.push(notice),
    subscriptions: [
      {
        name: "first",
        topics: ["order.*"],
        sink: postgresConsumer({
          name: "first",
          database: pool,
          handle: (db, { id, topic, key, payload }) => db.execute("insert into applied (consumer, id, topic, key, value) values ('first', $1, $2, $3, $4)", [id, topic, key, JSON.stringify(payload)]),
        }),
      },
    ],
  });
  try {
    assert.ok(relay.ready());
    for (let round = 0; round < 20; round += 1) {
      await open((db) => send(db, Array.from({ length: 10 }, (_, key) => ({ topic: "order.placed", key: `k${key}`, payload: round }))));
      await open(async (db) => {
        await send(db, { topic: "order.placed", key: "k1", payload: -1 });
        throw new Error("rolled back");
      }).catch(() => undefined);
      await open((db) => send(db, { topic: "other", key: "k1", payload: -2 }));
    }
    await eventually(async () => (await pool.query("select from applied")).rowCount === 200, "all 200 are applied");
    const { rows } = await pool.query<{ key: string; values: string }>("select key, string_agg(value, ',' order by n) as values from applied group by key");
    const expected = Array.from({ length: 20 }, (_, round) => round).join(",");
    assert.deepEqual(new Set(rows.map(({ values }) => values)), new Set([expected]));
  } finally {
    await relay.stop();
  }
  assert.deepEqual(notices.filter(({ kind }) => kind !== "lanes-claimed"), []);
});

test("an undivided subscription is one relay's, and the other's as soon as that one stops", async () => {
  const join = (): Promise<Relay> =>
    createRelay({
      log: postgresOutboxLog({ url: database.url }),
      source: "shop",
      subscriptions: [
        {
          name: "whole",
          topics: ["whole"],
          undivided: true,
          sink: postgresConsumer({ name: "whole", database: pool, handle: (db, { id, topic, key, payload }) => db.execute("insert into applied (consumer, id, topic, key, value) values ('whole', $1, $2, $3, $4)", [id, topic, key, JSON.stringify(payload)]) }),
        },
      ],
    });
  const relays = [await join(), await join()];
  const lanes = (): readonly number[] => relays.map((relay) => relay.health().subscriptions[0]?.lanes ?? 0);
  const tell = async (payload: number): Promise<void> => {
    await open((db) => send(db, Array.from({ length: 20 }, (_, key) => ({ topic: "whole", key: `k${key}`, payload }))));
    await eventually(async () => (await pool.query("select from applied where consumer = 'whole' and value = $1", [String(payload)])).rowCount === 20, `all of ${payload} are applied`);
  };
  try {
    await eventually(async () => lanes().toSorted((a, b) => a - b).join() === "0,64" && relays.every((relay) => relay.ready()), "one has all lanes");
    await tell(1);
    const [owner] = relays.filter((_, index) => lanes()[index] === 64);
    await owner?.stop();
    relays.splice(0, 2, ...relays.filter((relay) => relay !== owner));
    await tell(2);
    assert.deepEqual(lanes(), [64]);
  } finally {
    await Promise.all(relays.map((relay) => relay.stop()));
  }
  assert.equal((await pool.query("select from applied where consumer = 'whole'")).rowCount, 40);
});
