import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { PostgresServer } from "@tripact/testbed";
import { Client } from "pg";
import { createRelay, postgresOutboxLog, type Notice, type PostgresOutboxLogOptions, type Relay } from "../../src/relay.ts";

/** A server whose log can be decoded; spare slots are for the tests that use them up. */
export const LOGICAL = { wal_level: "logical" } as const;
const WITHIN_MS = 20_000;

/** A relay that looks once a minute by itself: whatever it delivers sooner, something has woken it for. */
export interface Watched {
  readonly relay: Relay;
  /** The payloads, in the order of their delivery. */
  readonly delivered: string[];
  readonly notices: Notice[];
  /** What was said of the stream, in order: `on`, or why not. */
  said(): readonly string[];
  /** How often it was woken, by whatever. */
  woken(): number;
}

/** A beat is a look as well. */
const SELDOM = { pollMinMs: 60_000, pollMaxMs: 60_000, beatEveryMs: 60_000, leaseMs: 300_000 };

export async function watchedRelay(
  url: string,
  wakeFromWal: PostgresOutboxLogOptions["wakeFromWal"],
  { onDelivery, pace = SELDOM }: { readonly onDelivery?: (value: string) => void; readonly pace?: Partial<typeof SELDOM> } = {},
): Promise<Watched> {
  const delivered: string[] = [];
  const notices: Notice[] = [];
  const log = postgresOutboxLog({ url, ...(wakeFromWal === undefined ? {} : { wakeFromWal }) });
  let woken = 0;
  log.membership.listen((heard) => {
    if (heard === "outbox") woken += 1;
  });
  const relay = await createRelay({
    log,
    source: "shop",
    ...pace,
    onNotice: (notice) => notices.push(notice),
    subscriptions: [
      {
        name: "watched",
        sink: {
          features: { name: "watched", persistent: false, ordered: true, deduplicates: false, batchMax: 100 },
          deliver: async (messages) => {
            for (const { payload } of messages) {
              const value = String(JSON.parse(payload));
              delivered.push(value);
              onDelivery?.(value);
            }
            return messages.map(() => ({ kind: "done" as const }));
          },
          close: async () => {},
        },
      },
    ],
  });
  const said = (): readonly string[] => notices.flatMap((notice) => (notice.kind === "wal-wake-on" ? ["on"] : notice.kind === "wal-wake-off" ? [notice.detail] : []));
  return { relay, delivered, notices, said, woken: () => woken };
}

/** Until the stream is on, for the nth time, and the look that follows has been taken. */
export async function untilOn(watched: Watched, times = 1): Promise<void> {
  await eventually(() => watched.said().filter((it) => it === "on").length >= times, `the stream is on, ${times} times; it said ${JSON.stringify(watched.said())}`);
}

/** Somebody who knows nothing of us: plain SQL, and no notification. */
export async function insert(client: Client, payload: string): Promise<void> {
  await client.query("insert into tripact.outbox (id, topic, key, payload) values ($1, 'order.placed', 'k', $2)", [randomUUID(), JSON.stringify(payload)]);
}

export async function connect(server: PostgresServer, database = "postgres"): Promise<Client> {
  const client = new Client({ connectionString: server.url(database) });
  client.on("error", () => {}); // servers are killed under it
  await client.connect();
  return client;
}

export async function eventually(holds: () => boolean | Promise<boolean>, what: string, withinMs = WITHIN_MS): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, `within ${withinMs / 1_000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export async function slots(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>("select slot_name as name from pg_replication_slots order by 1");
  return rows.map(({ name }) => name);
}
