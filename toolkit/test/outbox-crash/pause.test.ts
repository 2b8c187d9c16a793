import assert from "node:assert/strict";
import test, { after } from "node:test";
import { eventually } from "../crash/journal.ts";
import { judge } from "./judge.ts";
import type { Manner, Report } from "./orders.ts";
import { WarmRelays } from "./process.ts";
import { Consumer, Sender } from "./shop.ts";

const pool = new WarmRelays(1);
after(() => pool.close());

const lease = { leaseMs: 1_500, beatEveryMs: 300 } as const;
/** Workers are free when it wakes up, and what failed before it slept is due then; the news of its fate come late. */
const sleeper: Manner = { relay: lease, subscription: { workers: 16, retry: { baseMs: 700, capMs: 700, maxAttempts: 1_000 }, lockMs: 60_000 }, batchMax: 2, tells: true, newsLateMs: 150 };
const peer: Manner = { relay: lease, subscription: { retry: { baseMs: 50, capMs: 200 } }, tells: true };
/** Keys that fail until the end, and keys with more messages than go in one delivery. */
const ILL = 8;
const HEALTHY = 6;
const EACH = 20;

/** Answers with the sleeper's deliveries after it woke up: under its old incarnation, and under the new one. */
async function pauseBeyondTheLease(sender: Sender, consumer: Consumer, blindClock: boolean): Promise<{ readonly stale: number; readonly again: number }> {
  const at = { logUrl: sender.url, consumerUrl: consumer.url };
  const [sleeping, heir] = [await pool.take(), await pool.take()];
  const incarnation = await sleeping.join({ ...at, manner: { ...sleeper, blindClock } });
  const heirs = await heir.join({ ...at, manner: peer });
  assert.ok(await eventually(() => sender.isShared(2)), "both share the lanes");
  const keys = await sender.keyOfEachLane();
  const own = await sender.lanesOf(incarnation);
  const [ill, healthy] = [own.slice(0, ILL), own.slice(ILL, ILL + HEALTHY)].map((lanes) => lanes.map((lane) => keys[lane] ?? ""));
  assert.ok(ill !== undefined && healthy !== undefined);
  for (const key of ill) await sender.send({ key, work: { ill: "fails" } });
  assert.ok(await eventually(async () => (await sender.countRetries()) === ILL), "the ill ones are held");

  sleeping.order({ do: "gate", open: false });
  for (let n = 0; n < EACH; n += 1) await sender.send(...healthy.map((key) => ({ key })));
  const open = async (): Promise<number> => (await sleeping.health()).subscriptions[0]?.open ?? 0;
  assert.ok(await eventually(async () => (await open()) === HEALTHY * EACH), "it has read all and delivered nothing");
  sleeping.kill("SIGSTOP");
  assert.ok(await eventually(async () => (await sender.lanesOf(heirs)).length === keys.length), "its peer takes over");
  assert.ok(await eventually(async () => (await consumer.count()) === HEALTHY * EACH), "its peer delivers everything");
  // Only now: what it had said when it was stopped may have been in the pipe still.
  const heard = sleeping.reports.length;

  sleeping.order({ do: "gate", open: true });
  sleeping.kill("SIGCONT");
  assert.ok((await sleeping.notices("node-fenced", heard)) !== undefined, "it does not learn of its fate");
  for (const key of ill) await consumer.heal(key);
  assert.ok(await eventually(() => sender.isShared(2)), "it takes no lanes again");
  await sender.send(...keys.map((key) => ({ key })));
  const isAgain = (it: Report): boolean => it.said === "delivering" && it.incarnation !== incarnation;
  assert.ok((await sleeping.hears(isAgain, heard)) !== undefined, "it does not deliver again");
  assert.ok(await eventually(async () => (await consumer.count()) === HEALTHY * EACH + ILL + keys.length), "something is stuck");
  assert.ok(await eventually(async () => (await sender.countRetries()) === 0), "something stays in the retry table");
  const since = sleeping.reports.slice(heard);
  await Promise.all([sleeping.end(), heir.end()]);
  return { stale: since.filter((it) => it.said === "delivering" && it.incarnation === incarnation).length, again: since.filter(isAgain).length };
}

/** A write of the sleeper that was under way may tell it of its fate before anything is due: then the alarm is tried again. */
const ALARMS_MAX = 5;

async function staleDeliveries(blindClock: boolean): Promise<{ readonly stale: number; readonly again: number }> {
  const sender = await Sender.open("pause");
  const consumer = await Consumer.open();
  try {
    const found = await pauseBeyondTheLease(sender, consumer, blindClock);
    assert.deepEqual(await judge(sender.pool, consumer.pool), []);
    return found;
  } finally {
    await sender.close();
    await consumer.close();
  }
}

test("a relay that was stopped for longer than its lease wakes up and delivers nothing under its old lease", async (t) => {
  const { stale, again } = await staleDeliveries(false);
  t.diagnostic(`${HEALTHY * EACH} messages read and not delivered, ${ILL} due again: ${stale} deliveries under the old lease, ${again} under the new one`);
  assert.equal(stale, 0);
});

test("the alarm rings: a relay whose clock does not see that it was stopped delivers under its old lease", async (t) => {
  let stale = 0;
  for (let tries = 1; stale === 0 && tries <= ALARMS_MAX; tries += 1) ({ stale } = await staleDeliveries(true));
  t.diagnostic(`${stale} deliveries under the old lease`);
  assert.ok(stale > 0);
});
