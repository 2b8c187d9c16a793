/**
 * How soon a dead relay's lanes go on: two relays under a steady trickle into every lane, one is killed with -9, and the time is taken from
 * the kill to the survivor's first delivery in a lane of the dead one. Figures, not assertions: what is asserted is a generous cap, and that
 * every message is applied once.
 */
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { eventually } from "../crash/journal.ts";
import { wallMs } from "../crash/orders.ts";
import { judge } from "./judge.ts";
import { WarmRelays, type RelayProcess } from "./process.ts";
import { Consumer, Sender } from "./shop.ts";
import { Trickle } from "./trickle.ts";

const KILLS = 15;
const TARGET_MS = 300;
const CAP_MS = 5_000;
/** Shortens the wait until all know each other. A kill is seen by the lock, on which beats have no influence. */
const manner = { tells: true, relay: { beatEveryMs: 200 } };

const pool = new WarmRelays(1);
let sender: Sender;
let consumer: Consumer;
before(async () => {
  sender = await Sender.open("takeover_time");
  consumer = await Consumer.open();
});
after(async () => {
  await pool.close();
  await sender.close();
  await consumer.close();
});

test(`kill -9 of one of two relays, ${KILLS} times: its lanes move`, async (t) => {
  const keys = await sender.keyOfEachLane();
  const survivor = await join();
  let victim = await join();
  const trickle = new Trickle(sender, keys, { everyMs: 10, messages: 8 });
  const figures: { readonly movedMs: number; readonly lostMs: number }[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    // After two beats of each, each has seen the other alive: else the survivor waits for the grace of a free lock.
    assert.ok(await eventually(async () => (await sender.leastBeat()) >= 3 && (await sender.isShared(2)), 5), "two relays share the lanes");
    const lanes = new Set(await sender.lanesOf(victim.incarnation));
    const orphaned = new Set(keys.filter((_, lane) => lanes.has(lane)));
    assert.ok(orphaned.size >= 30);
    const heardBefore = survivor.process.reports.length;
    const killedMs = wallMs();
    victim.process.kill("SIGKILL");
    const lostMs = await survivor.process.notices("node-lost", heardBefore);
    const moved = await survivor.process.hears((it) => it.said === "delivering" && it.keys.some((key) => orphaned.has(key)), heardBefore);
    assert.ok(moved?.said === "delivering" && lostMs !== undefined, "the survivor does not take over");
    figures.push({ movedMs: moved.atMs - killedMs, lostMs: lostMs - killedMs });
    victim = await join();
  }
  const acknowledged = await trickle.end();
  assert.ok(await eventually(async () => (await consumer.count()) >= acknowledged.length), "something is stuck");
  assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
  const moved = figures.map(({ movedMs }) => movedMs);
  t.diagnostic(`kill to first delivery in a lane of the dead one: ${text(moved)}; target p95 <= ${TARGET_MS} ms: ${quantile(moved, 0.95) <= TARGET_MS ? "met" : "missed"}`);
  t.diagnostic(`of which kill to node-lost: ${text(figures.map(({ lostMs }) => lostMs))}`);
  t.diagnostic(`${acknowledged.length} messages, each applied once`);
  assert.ok(Math.max(...moved) <= CAP_MS, `a takeover took ${Math.max(...moved)} ms`);
  await Promise.all([survivor.process.end(), victim.process.end()]);
});

async function join(): Promise<{ readonly process: RelayProcess; readonly incarnation: string }> {
  const process = await pool.take();
  return { process, incarnation: await process.join({ logUrl: sender.url, consumerUrl: consumer.url, manner }) };
}

function text(list: readonly number[]): string {
  return `p50 ${quantile(list, 0.5).toFixed(0)}, p95 ${quantile(list, 0.95).toFixed(0)}, max ${Math.max(...list).toFixed(0)} ms of ${list.length}`;
}

function quantile(list: readonly number[], share: number): number {
  const sorted = list.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
