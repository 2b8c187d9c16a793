import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test, { after } from "node:test";
import { freshDatabase } from "@tripact/testbed";
import { Pool } from "pg";
import { send } from "../../../participants/outbox.ts";
import { pgTransactions } from "../../../participants/transaction.ts";
import { LANES } from "../../outbox-log.ts";
import { migrate } from "../migrate.ts";
import type { Session } from "../session.ts";
import { cursorOf, NOTHING_SEEN } from "./cursor.ts";
import { read } from "./read.ts";

const database = await freshDatabase("outbox_read");
const pool = new Pool({ connectionString: database.url, max: 2 });
after(async () => {
  await pool.end();
  await database.drop();
});
await migrate(database.url);
const lanes = Array.from({ length: LANES }, (_, lane) => lane);

// 30: sorted. 2,500: a backlog, read in the order of its index.
for (const count of [30, 2_500]) {
  test(`a read of ${count} brings no more bodies than were asked for, and all of them in their order`, async () => {
    const topic = randomUUID();
    await pgTransactions(pool)((db) => send(db, Array.from({ length: count }, (_, n) => ({ topic, key: `k${n % 7}`, payload: n }))));
    let most = 0;
    const session = {
      async query({ text, values }: { readonly text: string; readonly values?: readonly unknown[] }) {
        const result = await pool.query(text, [...(values ?? [])]);
        most = Math.max(most, result.rows.length);
        return result;
      },
    } satisfies Pick<Session, "query"> as unknown as Session;
    const limit = Math.ceil(count / 10);
    const got: number[] = [];
    let cursor = cursorOf({ session: 1, seen: NOTHING_SEEN });
    for (let pages = 0, more = true; more && pages < 20; pages += 1) {
      const page = await read(session, 1, { lanes, cursor, topics: [topic], limit });
      got.push(...page.messages.map(({ payload }) => Number(payload)));
      ({ cursor, more } = page);
    }
    assert.deepEqual(got, Array.from({ length: count }, (_, n) => n));
    assert.ok(most <= limit + 1, `${most} rows for a limit of ${limit}`);
  });
}
