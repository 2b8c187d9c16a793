import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { eventually } from "../crash/journal.ts";
import { judge } from "./judge.ts";
import { WarmRelays, type RelayProcess } from "./process.ts";
import { Consumer, Sender } from "./shop.ts";
import { Trickle } from "./trickle.ts";

const pool = new WarmRelays(1);
let consumer: Consumer;
let sender: Sender;
before(async () => {
  consumer = await Consumer.open();
  sender = await Sender.open("rebalance");
});
after(async () => {
  await pool.close();
  await sender.close();
  await consumer.close();
});

const manner = { tells: true, relay: { beatEveryMs: 200, stopWithinMs: 15_000 }, batchMax: 20 };
const LOAD = 1_000;

test("relays come, leave and die under load: each message once, in order, and each lane has one owner at the end", async (t) => {
  const relays: RelayProcess[] = [];
  const everybody: RelayProcess[] = [];
  const join = async (): Promise<void> => {
    const relay = await pool.take();
    await relay.join({ logUrl: sender.url, consumerUrl: consumer.url, manner });
    relays.push(relay);
    everybody.push(relay);
  };
  const seen = (): readonly string[] => everybody.flatMap((it) => it.reports.flatMap((report) => (report.said === "delivering" ? report.ids : [])));
  const twice = (): number => seen().length - new Set(seen()).size;
  const told: string[] = [];
  let doubles = 0;
  const step = async (what: string): Promise<number> => {
    assert.ok(await eventually(() => sender.isShared(relays.length)), `after ${what}: the lanes are not shared by ${relays.length}`);
    const goal = (await consumer.count()) + LOAD;
    assert.ok(await eventually(async () => (await consumer.count()) >= goal), `after ${what}: stuck`);
    const more = twice() - doubles;
    doubles += more;
    told.push(`${what} ${more}`);
    return more;
  };

  await join();
  const trickle = new Trickle(sender, await sender.keyOfEachLane(), { everyMs: 5, messages: 16 });
  await step("one relay");
  for (const nth of ["second", "third", "fourth"]) {
    await join();
    assert.equal(await step(`a ${nth} joined`), 0, "a lane was handed over before it was settled");
  }
  for (const nth of ["one", "another"]) {
    await relays.shift()?.stop();
    assert.equal(await step(`${nth} left`), 0, "one who left had not said how far it had come");
  }
  await join();
  await step("one joined again");
  relays.shift()?.kill("SIGKILL");
  await step("one died");
  // All at once: one joins, one leaves, one dies.
  await join();
  const joining = join();
  const leaving = relays.shift()?.stop();
  relays.shift()?.kill("SIGKILL");
  await Promise.all([joining, leaving]);
  await step("one joined, one left and one died at the same time");

  const acknowledged = await trickle.end();
  assert.ok(await eventually(async () => (await consumer.count()) >= acknowledged.length), "something is stuck");
  assert.deepEqual(await judge(sender.pool, consumer.pool, { acknowledged }), []);
  assert.ok(await sender.isShared(relays.length));
  t.diagnostic(`${acknowledged.length} messages, each applied once, in order; seen again by the sink: ${told.join(", ")}`);
  await Promise.all(relays.map((it) => it.end()));
});
