import assert from "node:assert/strict";
import test, { after } from "node:test";
import { startPostgres, startProxy } from "@tripact/testbed";
import { eventually } from "../crash/journal.ts";
import { judge } from "./judge.ts";
import { WarmRelays, type RelayProcess } from "./process.ts";
import { Consumer, Sender } from "./shop.ts";
import { Trickle } from "./trickle.ts";

const pool = new WarmRelays(1);
after(() => pool.close());

const LOAD = 1_000;
const pace = { everyMs: 5, messages: 16 } as const;
const STOP_WITHIN_MS = 1_000;
/** For all that it has read ahead, on a slow machine too: what is not delivered by then comes again. */
const DRAINED_WITHIN_MS = 15_000;
/** What a relay has to say at the end, a second each, and a machine that has other things to do. */
const SLACK_MS = 10_000;

async function join(logUrl: string, consumer: Consumer, stopWithinMs = STOP_WITHIN_MS): Promise<RelayProcess> {
  const relay = await pool.take();
  await relay.join({ logUrl, consumerUrl: consumer.url, manner: { tells: true, batchMax: 20, relay: { stopWithinMs } } });
  return relay;
}

function delivered(relay: RelayProcess): readonly string[] {
  return relay.reports.flatMap((it) => (it.said === "delivering" ? it.ids : []));
}

test("a stop under load: what was read is delivered or handed back, nothing stays behind, and the process ends by itself", async (t) => {
  const sender = await Sender.open("stop");
  const consumer = await Consumer.open();
  try {
    const trickle = new Trickle(sender, await sender.keyOfEachLane(), pace);
    const tookMs: number[] = [];
    const all: RelayProcess[] = [];
    for (let n = 0; n < 5; n += 1) {
      const relay = await join(sender.url, consumer, DRAINED_WITHIN_MS);
      all.push(relay);
      const goal = (await consumer.count()) + LOAD;
      assert.ok(await eventually(async () => (await consumer.count()) >= goal), "no load");
      // Twice at the same time, and it ends by itself: see `RelayProcess.stop`.
      tookMs.push(await relay.stop(2));
      const { rows } = await sender.pool.query("select application_name from pg_stat_activity where application_name like $1", [`%${relay.pid}%`]);
      assert.deepEqual(rows, [], "sessions stayed behind");
      const nodes = await sender.pool.query("select from tripact.node");
      assert.equal(nodes.rows.length, 0, "its row stayed behind");
    }
    const acknowledged = await trickle.end();
    const last = await join(sender.url, consumer);
    assert.ok(await eventually(async () => (await consumer.count()) >= acknowledged.length), "something is stuck");
    assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
    const seen = [...all, last].flatMap(delivered);
    t.diagnostic(`${acknowledged.length} messages over 5 stops, ${seen.length - new Set(seen).size} seen again by the sink; a stop took ${tookMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assert.equal(seen.length - new Set(seen).size, 0, "a stop forgot how far it had come");
    await last.stop();
  } finally {
    await sender.close();
    await consumer.close();
  }
});

test("a delivery that hangs while the relay stops: the stop ends within its bound, and the next relay delivers", async (t) => {
  const sender = await Sender.open("hanging");
  const consumer = await Consumer.open();
  try {
    const relay = await join(sender.url, consumer);
    relay.order({ do: "gate", open: false });
    const acknowledged = await sender.send({ key: "a" }, { key: "a" }, { key: "b" });
    assert.ok((await relay.hears((it) => it.said === "delivering")) !== undefined);
    const tookMs = await relay.stop();
    assert.ok(tookMs < STOP_WITHIN_MS + SLACK_MS, `the stop took ${tookMs} ms`);
    const next = await join(sender.url, consumer);
    assert.ok(await eventually(async () => (await consumer.count()) === 3 && (await sender.countRetries()) === 0), "something is stuck");
    assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
    t.diagnostic(`the stop took ${tookMs.toFixed(0)} ms of ${STOP_WITHIN_MS} ms for deliveries`);
    await next.stop();
  } finally {
    await sender.close();
    await consumer.close();
  }
});

test("a stop while the log is down ends within its bound", async (t) => {
  const server = await startPostgres();
  const consumer = await Consumer.open();
  try {
    await server.createDatabase("shop");
    const sender = await Sender.at(server.url("shop"), async () => undefined);
    const relay = await join(sender.url, consumer);
    const trickle = new Trickle(sender, await sender.keyOfEachLane(), pace);
    assert.ok(await eventually(async () => (await consumer.count()) >= LOAD), "no load");
    await server.crash();
    const tookMs = await relay.stop(2);
    assert.ok(tookMs < STOP_WITHIN_MS + SLACK_MS, `the stop took ${tookMs} ms`);
    await server.start();
    const acknowledged = await trickle.end();
    const next = await join(sender.url, consumer);
    assert.ok(await eventually(async () => (await consumer.count()) >= acknowledged.length), "something is stuck");
    assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
    t.diagnostic(`the stop took ${tookMs.toFixed(0)} ms`);
    await next.stop();
    await sender.close();
  } finally {
    await server.remove();
    await consumer.close();
  }
});

test("a stop while nothing moves between relay and log ends within its bound", async (t) => {
  const sender = await Sender.open("silent_stop");
  const consumer = await Consumer.open();
  const target = new URL(sender.url);
  const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
  try {
    target.port = String(proxy.port);
    const relay = await join(target.href, consumer);
    const trickle = new Trickle(sender, await sender.keyOfEachLane(), pace);
    assert.ok(await eventually(async () => (await consumer.count()) >= LOAD), "no load");
    await proxy.blackHole();
    const tookMs = await relay.stop();
    await proxy.close();
    const acknowledged = await trickle.end();
    const next = await join(sender.url, consumer);
    assert.ok(await eventually(async () => (await consumer.count()) >= acknowledged.length), "something is stuck");
    assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
    t.diagnostic(`the stop took ${tookMs.toFixed(0)} ms`);
    assert.ok(tookMs < STOP_WITHIN_MS + SLACK_MS, `the stop took ${tookMs} ms`);
    await next.stop();
  } finally {
    await proxy.close();
    await sender.close();
    await consumer.close();
  }
});
