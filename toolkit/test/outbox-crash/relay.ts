/** A relay in a process of its own: delivers to a consumer with a database of its own, takes orders, and dies where it is told to. */
import { writeSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pgTransactions, postgresInbox, type SqlExecutor } from "tripact/barrier";
import { createRelay, postgresConsumer, postgresOutboxLog, type OutboxLog, type Received, type Relay, type Sink } from "tripact/relay";
import { Refused } from "../../src/protocol/outcome.ts";
import pg from "pg";
import { systemClock, type Clock } from "../../src/runtime/clock.ts";
import { Crasher } from "../crash/crash.ts";
import { wallMs } from "../crash/orders.ts";
import { subscription, topic, type Manner, type Order, type Report, type Work } from "./orders.ts";
import { watchedLog, watchedSink, watchedTransactions } from "./points.ts";

const crasher = new Crasher((point) => say({ said: "passed", point }));
let gate: PromiseWithResolvers<void> | undefined;
let joined: { readonly relay: Relay; readonly consumer: pg.Pool } | undefined;

/** Synchronous: what was said before a SIGKILL is heard. */
function say(report: Report): void {
  writeSync(1, `${JSON.stringify(report)}\n`);
}

async function obey(order: Order): Promise<void> {
  if (order.do === "arm") return crasher.arm(order.arm);
  if (order.do === "gate") return turnGate(order.open);
  if (order.do === "join") {
    crasher.arm(order.arm);
    joined = await join(order);
    return say({ said: "joined", incarnation: joined.relay.health().incarnation });
  }
  if (joined === undefined) throw new Error(`${order.do} before join`);
  switch (order.do) {
    case "health":
      return say({ said: "health", health: joined.relay.health() });
    case "requeue":
      await joined.relay.desk.requeue({ ids: "all-parked", who: "the test", reason: "healed" });
      return say({ said: "requeued" });
    case "stop": {
      const { relay, consumer } = joined;
      const beganMs = performance.now();
      await Promise.all(Array.from({ length: order.times ?? 1 }, () => relay.stop()));
      say({ said: "stopped", tookMs: performance.now() - beganMs });
      await consumer.end();
      // From here on nothing of ours may keep the process alive.
      orders.close();
      process.stdin.destroy();
    }
  }
}

function turnGate(open: boolean): void {
  gate?.resolve();
  gate = open ? undefined : Promise.withResolvers();
}

async function join({ logUrl, consumerUrl, manner }: Extract<Order, { do: "join" }>): Promise<{ readonly relay: Relay; readonly consumer: pg.Pool }> {
  const { pass } = crasher;
  const consumer = new pg.Pool({ connectionString: consumerUrl, max: 6, application_name: `consumer ${process.pid}`, connectionTimeoutMillis: 2_000, query_timeout: 10_000 });
  consumer.on("error", () => undefined);
  const shop = postgresConsumer({
    name: "shop",
    database: watchedTransactions(pgTransactions(consumer), pass),
    handle,
    ...(manner.batchMax === undefined ? {} : { batchMax: manner.batchMax }),
    ...(manner.forgetful === true ? { inbox: { ...postgresInbox(), first: async (_db, _consumer, given) => given.map(() => true) } } : {}),
  });
  const log = postgresOutboxLog({ url: logUrl, applicationName: `relay ${process.pid}` });
  const relay = await createRelay({
    log: withLateNews(watchedLog(log, pass), manner.newsLateMs),
    source: "shop",
    subscriptions: [{ name: subscription, topics: [topic], sink: atTheDoor(watchedSink(shop, pass), manner), ...manner.subscription }],
    onNotice: (notice) => say({ said: "notice", notice, atMs: wallMs() }),
    ...(manner.blindClock === true ? { clock: blindClock() } : {}),
    ...manner.relay,
  });
  return { relay, consumer };
}

function withLateNews(log: OutboxLog, lateMs: number | undefined): OutboxLog {
  if (lateMs === undefined) return log;
  const { membership } = log;
  const beat: typeof membership.beat = async (incarnation) => {
    const nodes = await membership.beat(incarnation);
    await sleep(lateMs);
    return nodes;
  };
  return { ...log, membership: { ...membership, beat } };
}

/** Says each call before anything else happens, by the incarnation under which it is made. */
function atTheDoor(sink: Sink, { tells }: Manner): Sink {
  return {
    ...sink,
    async deliver(messages, signal) {
      if (tells === true) {
        say({ said: "delivering", incarnation: joined?.relay.health().incarnation ?? "", keys: messages.map(({ key }) => key), ids: messages.map(({ id }) => id), atMs: wallMs() });
      }
      if (messages[0]?.attempt === 1) await gate?.promise;
      return await sink.deliver(messages, signal);
    },
  };
}

async function handle(db: SqlExecutor, { id, key, payload, attempt }: Received): Promise<void> {
  const { fails = 0, slowMs, ill } = payload as Work;
  await db.execute("insert into applied (id, key) values ($1, $2)", [id, key]);
  if (slowMs !== undefined) await db.execute("select pg_sleep($1)", [slowMs / 1_000]);
  if (attempt <= fails) throw new Error("not yet");
  if (ill === undefined) return;
  const { rows } = await db.execute("select from healed where key = $1", [key]);
  if (rows.length > 0) return;
  if (ill === "refused") throw new Refused("ill");
  throw new Error("ill");
}

const BLINK_MS = 20;

/** Goes on by a blink at most, however long nobody has asked. */
function blindClock(): Clock {
  let lastMs = systemClock.nowMs();
  let nowMs = 0;
  return {
    ...systemClock,
    nowMs() {
      const trueMs = systemClock.nowMs();
      nowMs += Math.min(trueMs - lastMs, BLINK_MS);
      lastMs = trueMs;
      return nowMs;
    },
  };
}

const orders = createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line) as Order;
  obey(order).catch((error: unknown) => say({ said: "failed", order, error: error instanceof Error ? error.message : String(error) }));
});
// Processes that are killed do not write it at their end.
flushCompileCache();
say({ said: "warm" });
