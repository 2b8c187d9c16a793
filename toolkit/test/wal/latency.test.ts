import { setTimeout as sleep } from "node:timers/promises";
import test from "node:test";
import { startPostgres, type PostgresServer } from "@tripact/testbed";
import { migrate } from "../../src/stores/postgres/migrate.ts";
import { connect, eventually, insert, LOGICAL, untilOn, watchedRelay } from "./scene.ts";

/** Printed and not asserted: the figures in docs/outbox-wal.md are from here. More with `WAL_LATENCY_N=1000`. */
const N = Number(process.env["WAL_LATENCY_N"] ?? 20);
/** So long that the poll is at its slowest. */
const PAUSE_MS = { min: 100, max: 300 };

const ways = [
  { name: "write-ahead log", database: "by_log", wakeFromWal: true, notifies: false },
  { name: "notification after the commit", database: "by_notification", wakeFromWal: false, notifies: true },
  { name: "poll alone, 2 to 200 ms", database: "by_poll", wakeFromWal: false, notifies: false },
];

interface Lane {
  readonly name: string;
  readonly took: readonly number[];
  round(n: number): Promise<void>;
  end(): Promise<void>;
}

/** One way of waking, with a database, a relay and a writer of its own. */
async function laneOf(server: PostgresServer, { name, database, wakeFromWal, notifies }: (typeof ways)[number]): Promise<Lane> {
  await server.createDatabase(database);
  await migrate(server.url(database));
  const [client, notifier] = [await connect(server, database), await connect(server, database)];
  const arrived = new Map<string, number>();
  const took: number[] = [];
  const watched = await watchedRelay(server.url(database), wakeFromWal, { pace: {}, onDelivery: (value) => void arrived.set(value, performance.now()) });
  if (wakeFromWal) await untilOn(watched);
  return {
    name,
    took,
    async round(n) {
      await insert(client, `${n}`);
      const committedMs = performance.now();
      if (notifies) await notifier.query("select pg_notify('tripact', 'outbox')");
      await eventually(() => arrived.has(`${n}`), "it is delivered");
      took.push((arrived.get(`${n}`) ?? NaN) - committedMs);
    },
    async end() {
      await watched.relay.stop();
      await Promise.all([client.end(), notifier.end()]);
    },
  };
}

test("from a commit's acknowledgement to its delivery", async (t) => {
  const server = await startPostgres({ settings: LOGICAL });
  try {
    const lanes = await Promise.all(ways.map((way) => laneOf(server, way)));
    // By turns, so that whatever else the machine does strikes them alike.
    for (let n = 0; n < N; n += 1) {
      for (const lane of lanes) {
        await sleep(PAUSE_MS.min + Math.random() * (PAUSE_MS.max - PAUSE_MS.min));
        await lane.round(n);
      }
    }
    for (const { name, took } of lanes) t.diagnostic(`${name}: ${summary(took)}`);
    await Promise.all(lanes.map((lane) => lane.end()));
  } finally {
    await server.remove();
  }
});

function summary(took: readonly number[]): string {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN).toFixed(2);
  return `median ${at(0.5)} ms, 5 % ${at(0.05)}, 95 % ${at(0.95)}, max ${at(1)}, n ${sorted.length}`;
}
