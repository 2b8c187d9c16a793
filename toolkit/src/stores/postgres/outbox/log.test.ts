import { randomUUID } from "node:crypto";
import { after, test } from "node:test";
import { freshDatabase, startSystemPostgres } from "@tripact/testbed";
import { Pool } from "pg";
import { describeOutboxLog, type OutboxLogUnderTest } from "../../conformance/outbox-log.ts";
import type { OutboxLog } from "../../outbox-log.ts";
import { migrate } from "../migrate.ts";
import { postgresOutboxLog } from "./log.ts";

const oldest = await startSystemPostgres();
describeOutboxLog("Postgres", async () => {
  const database = await freshDatabase("outbox_log");
  return logAt(database.url, () => database.drop());
});

if ("notRun" in oldest) {
  test("the outbox's log on the oldest PostgreSQL that we test", (t) => t.skip(oldest.notRun));
} else {
  after(() => oldest.remove());
  let databases = 0;
  describeOutboxLog(`PostgreSQL ${oldest.version}`, async () => {
    const name = `log_${(databases += 1)}`;
    await oldest.createDatabase(name);
    return logAt(oldest.url(name), async () => {});
  });
}

async function logAt(url: string, drop: () => Promise<void>): Promise<OutboxLogUnderTest> {
  await migrate(url);
  const pool = new Pool({ connectionString: url, max: 2 });
  const opened: OutboxLog[] = [];
  const openAs = async (applicationName: string): Promise<OutboxLog> => {
    const log = postgresOutboxLog({ url, applicationName });
    opened.push(log);
    await log.connect();
    return log;
  };
  return {
    log: await openAs("first"),
    second: () => openAs("second"),
    send: async (messages) => {
      const rows = messages.map((message) => ({ id: randomUUID(), payload: "null", headers: "{}", ...message }));
      const text = `insert into tripact.outbox (id, topic, key, payload, headers)
        select m.id, m.topic, m.key, m.payload, m.headers from json_to_recordset($1) as m (n int, id uuid, topic text, key text, payload text, headers text) order by m.n`;
      await pool.query(text, [JSON.stringify(rows.map((row, n) => ({ n, ...row })))]);
      return rows.map(({ id }) => id);
    },
    loseSession: async () => {
      await pool.query("select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'first log' and datname = current_database()");
    },
    turn: async () => {
      await pool.query(`do $do$ declare next smallint := (tripact.outbox_slot() + 1) % 16; begin
        execute format('create or replace function tripact.outbox_slot() returns smallint language sql volatile return %s::smallint', next); end $do$`);
    },
    close: async () => {
      await Promise.all(opened.map((log) => log.close()));
      await pool.end();
      await drop();
    },
  };
}
