import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import test, { after } from "node:test";
import { startPair, startPostgres, startProxy, type TcpProxy } from "@tripact/testbed";
import { eventually } from "../crash/journal.ts";
import { wallMs } from "../crash/orders.ts";
import { judge } from "./judge.ts";
import type { Manner } from "./orders.ts";
import { WarmRelays, type RelayProcess } from "./process.ts";
import { Consumer, Sender } from "./shop.ts";
import { Trickle } from "./trickle.ts";

const pool = new WarmRelays(1);
after(() => pool.close());

const manner: Manner = { tells: true, relay: { leaseMs: 2_000, beatEveryMs: 400 }, batchMax: 20 };
const pace = { everyMs: 5, messages: 16 } as const;
const LOAD = 1_000;

async function join(logUrl: string, consumer: Consumer, more: Manner = {}): Promise<RelayProcess> {
  const relay = await pool.take();
  await relay.join({ logUrl, consumerUrl: consumer.url, manner: { ...manner, ...more } });
  return relay;
}

function behind(proxy: TcpProxy, url: string): string {
  const target = new URL(url);
  target.port = String(proxy.port);
  return target.href;
}

/** Milliseconds until one of these delivers again; all of them end up delivering what is left. */
async function deliversAgain(relays: readonly RelayProcess[], sinceMs: number): Promise<number> {
  const first = await Promise.any(
    relays.map(async (relay) => {
      const report = await relay.hears((it) => it.said === "delivering" && it.atMs > sinceMs, relay.reports.length);
      if (report?.said !== "delivering") throw new Error("a relay does not go on");
      return report.atMs;
    }),
  );
  return first - sinceMs;
}

/** Ends the load, waits until everything is applied, and lets the judge look. */
async function settled(trickle: Trickle, sender: Sender, consumer: Consumer): Promise<string> {
  const acknowledged = await trickle.end();
  const inLog = async (): Promise<number> => (await sender.pool.query<{ count: number }>("select count(*)::int as count from tripact.outbox")).rows[0]?.count ?? -1;
  const isDone = async (): Promise<boolean> => (await consumer.count()) >= (await inLog()) && (await sender.countRetries()) === 0;
  assert.ok(await eventually(() => isDone().catch(() => false)), `stuck: ${await consumer.count()} of ${await inLog()} applied, ${await sender.countRetries()} in the retry table`);
  assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
  return `${acknowledged.length} messages acknowledged, ${trickle.unanswered} transactions not, ${await inLog()} in the log: each applied once, in order`;
}

test("the sender's Postgres is killed, and comes back by crash recovery, five times in the middle of deliveries", async (t) => {
  const server = await startPostgres();
  const consumer = await Consumer.open();
  try {
    await server.createDatabase("shop");
    const sender = await Sender.at(server.url("shop"), async () => undefined);
    const relays = [await join(sender.url, consumer), await join(sender.url, consumer)];
    const keys = await sender.keyOfEachLane();
    const trickle = new Trickle(sender, keys, pace);
    const backMs: number[] = [];
    for (let crash = 1; crash <= 5; crash += 1) {
      const goal = (await consumer.count()) + LOAD;
      assert.ok(await eventually(async () => (await consumer.count()) >= goal), `after ${crash - 1} crashes: stuck`);
      await server.crash();
      await server.start();
      backMs.push(await deliversAgain(relays, wallMs()));
    }
    t.diagnostic(await settled(trickle, sender, consumer));
    t.diagnostic(`from the server's return to the next delivery: ${backMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
    assert.ok(await eventually(() => sender.isShared(2)), "the lanes are not shared again");
    await Promise.all(relays.map((it) => it.end()));
    await sender.close();
  } finally {
    await server.remove();
    await consumer.close();
  }
});

test("the sender's Postgres fails over to its synchronous standby in the middle of deliveries", async (t) => {
  const pair = await startPair();
  const consumer = await Consumer.open();
  const { primary, standby } = pair;
  const proxy = await startProxy({ target: { host: primary.host, port: primary.port } });
  try {
    await primary.createDatabase("shop");
    const sender = await Sender.at(behind(proxy, primary.url("shop")), async () => undefined);
    const relays = [await join(sender.url, consumer), await join(sender.url, consumer)];
    const trickle = new Trickle(sender, await sender.keyOfEachLane(), pace);
    assert.ok(await eventually(async () => (await consumer.count()) >= LOAD), "no load");
    proxy.retarget({ host: standby.host, port: standby.port });
    await pair.promote();
    const backMs = await deliversAgain(relays, wallMs());
    const goal = (await consumer.count()) + LOAD;
    assert.ok(await eventually(async () => (await consumer.count()) >= goal), "stuck after the failover");
    t.diagnostic(await settled(trickle, sender, consumer));
    t.diagnostic(`from the promotion to the next delivery: ${backMs.toFixed(0)} ms`);
    assert.ok(!relays.some((it) => it.reports.some((report) => report.said === "notice" && report.notice.kind === "log-restarted")), "the log was taken for another one");
    await Promise.all(relays.map((it) => it.end()));
    await sender.close();
  } finally {
    await proxy.close();
    await pair.remove();
    await consumer.close();
  }
});

const BLACK_HOLE_MS = 5_000;

for (const withPeer of [false, true]) {
  test(`nothing moves between a relay and its Postgres for ${BLACK_HOLE_MS} ms${withPeer ? "; a peer has another way" : ""}`, async (t) => {
    const sender = await Sender.open("black_hole");
    const consumer = await Consumer.open();
    const target = new URL(sender.url);
    const proxy = await startProxy({ target: { host: target.hostname, port: Number(target.port) } });
    try {
      const lost = await join(behind(proxy, sender.url), consumer);
      const peers = withPeer ? [await join(sender.url, consumer)] : [];
      const trickle = new Trickle(sender, await sender.keyOfEachLane(), pace);
      assert.ok(await eventually(async () => (await consumer.count()) >= LOAD), "no load");
      const beganMs = wallMs();
      await proxy.blackHole();
      if (withPeer) {
        const [peer] = peers;
        assert.ok((await peer?.notices("node-lost")) !== undefined, "its peer does not take over");
        t.diagnostic(`its peer found it lost after ${(wallMs() - beganMs).toFixed(0)} ms`);
      }
      // The length of the fault is what is tested.
      await sleep(BLACK_HOLE_MS - (wallMs() - beganMs));
      await proxy.pass();
      t.diagnostic(`it delivers again ${(await deliversAgain([lost], wallMs())).toFixed(0)} ms after the way is free`);
      t.diagnostic(await settled(trickle, sender, consumer));
      assert.ok(await eventually(() => sender.isShared(1 + peers.length)), "the lanes are not shared again");
      await Promise.all([lost, ...peers].map((it) => it.end()));
    } finally {
      await proxy.close();
      await sender.close();
      await consumer.close();
    }
  });
}

test("the consumer's Postgres is killed and comes back: deliveries pause, little leaves the log, nothing is lost or doubled", async (t) => {
  const server = await startPostgres();
  const sender = await Sender.open("consumer_down");
  try {
    await server.createDatabase("consumer");
    const consumer = await Consumer.at(server.url("consumer"), async () => undefined);
    const relay = await join(sender.url, consumer);
    // More than a relay reads ahead: no key is in its queue twice, so a failed message takes none with it.
    const keys = Array.from({ length: 4_000 }, (_, n) => `key ${n}`);
    const trickle = new Trickle(sender, keys, pace);
    assert.ok(await eventually(async () => (await consumer.count()) >= LOAD), "no load");
    await server.crash();
    assert.ok((await relay.notices("subscription-paused")) !== undefined, "no pause");
    const copied = await sender.countRetries();
    const sentBefore = trickle.count;
    assert.ok(await eventually(() => trickle.count >= sentBefore + 2 * LOAD), "the load stands still");
    const copiedLater = await sender.countRetries();
    await server.start();
    assert.ok((await relay.notices("subscription-resumed")) !== undefined, "no end of the pause");
    t.diagnostic(await settled(trickle, sender, consumer));
    t.diagnostic(`in the retry table: ${copied} at the pause, ${copiedLater} after ${2 * LOAD} more messages`);
    assert.ok(copied <= 20, `${copied} messages left the log before the pause`);
    await relay.end();
    await consumer.close();
  } finally {
    await server.remove();
    await sender.close();
  }
});
