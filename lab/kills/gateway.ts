/** What befalls the gateway in the moments that matter to units: between a promise and its purchase, and past the end of its lease. */
import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import type { Operation } from "../checkers/checker.ts";
import { seeded } from "../load/arrivals.ts";
import { killOf, pauseOf } from "./faults.ts";
import { chunksOf, freeOf, ordersOf, ordersWithoutChunk, type ChunkState } from "./ledger.ts";
import { sell, type SaleRun } from "./sale.ts";
import { GATEWAY, type Stage } from "./stage.ts";
import { until } from "./until.ts";

const PROMISED_CAP_MS = 10_000;
/** A lease, two times of grace and some rounds; and a busy machine. */
const RETURNED_CAP_MS = 30_000;
const PROMISED = 10;
/** Longer than all that can happen meanwhile: whoever waits when it wakes has just asked. */
const ASKING_S = 60;
/** No more than a pattern keeps up: all that was asked meanwhile is there at once when it wakes, and has to end as well. */
const ASKED_PER_SECOND = 50;
const SELLS_AGAIN_CAP_MS = 10_000;
const UNITS = 48;
const MANY_UNITS = 5_000;
const OTHER_BUYERS = 1_000;

/** The wire to the workers holds every placement; then the gateway is gone, and with it what was on the wire. */
export function killedBetweenGateAndPurchase(stage: Stage, seed: number): Promise<SaleRun> {
  const sku = "held";
  const afterMs = Math.round(400 * seeded(seed)());
  return sell(stage, { sku, units: UNITS, seed }, `SIGKILL of the gateway ${afterMs} ms after it had promised units to placements that never arrived`, async ({ load, lately, offer, befall }) => {
    // It knows the sale by now, so it has nothing to ask before it promises.
    await until("the gateway knows the sale", PROMISED_CAP_MS, () => knowsSale(stage, sku));
    await Promise.all(stage.wires.map((wire) => wire.blackHole()));
    try {
      const held = await offer({ seconds: 10, ratePerSecond: 100 });
      await until("units were leased and buyers wait", PROMISED_CAP_MS, async () => lately().inFlight >= PROMISED && (await chunksOf(stage, sku)).length > 0);
      await wait(afterMs);
      load.stop();
      const kill = killOf(GATEWAY);
      await befall({
        ...kill,
        async heal() {
          for (const wire of stage.wires) wire.resetOpen();
          await Promise.all(stage.wires.map((wire) => wire.pass()));
          await kill.heal(stage);
        },
      });
      const first = await held.ended;
      assert.equal(await ordersOf(stage, sku), 0, "no placement came through");
      await until(`all ${UNITS} units are free again`, RETURNED_CAP_MS, async () => (await freeOf(stage, sku)) === UNITS);
      for (const chunk of await chunksOf(stage, sku)) assertEnded(chunk);
      // A gateway that has just started may not carry every one of them through: others ask after that.
      const again = await offer({ seconds: 3, ratePerSecond: UNITS, firstBuyer: OTHER_BUYERS });
      const second = await again.ended;
      assert.ok(second.accepted >= UNITS, `${second.accepted} of ${UNITS} units that came back were sold`);
      return [first, second];
    } finally {
      for (const wire of stage.wires) wire.resetOpen();
      await Promise.all(stage.wires.map((wire) => wire.pass()));
    }
  });
}

/** Stopped until the stock has ended all its chunks; buyers go on asking meanwhile, and are the first thing that it sees when it wakes. */
export async function pausedPastItsLease(stage: Stage, seed: number): Promise<SaleRun> {
  const sku = "paused";
  const atMs = Math.round(500 + 500 * seeded(seed)());
  let ended: readonly ChunkState[] = [];
  const stopped = { fromMs: 0, toMs: 0 };
  const run = await sell(stage, { sku, units: MANY_UNITS, seed }, `SIGSTOP of the gateway ${atMs} ms into the sale until its lease was over`, async ({ load, lately, sinceStartMs, offer, befall }) => {
    const { ended: over } = await offer({ seconds: ASKING_S, ratePerSecond: ASKED_PER_SECOND });
    await wait(atMs);
    await befall(pauseOf(GATEWAY, async () => {
      stopped.fromMs = sinceStartMs();
      const held = (await chunksOf(stage, sku)).filter(({ state }) => state !== "closed").map(({ id }) => id);
      await until("its chunks are closed", RETURNED_CAP_MS, async () => {
        ended = (await chunksOf(stage, sku)).filter(({ id }) => held.includes(id));
        return ended.every(({ state }) => state === "closed");
      });
      stopped.toMs = sinceStartMs();
    }));
    const { accepted } = lately();
    await until("it sells again", SELLS_AGAIN_CAP_MS, () => lately().accepted > accepted);
    load.stop();
    return [await over];
  });
  assert.ok(ended.some(({ cameBack }) => cameBack > 0), "it had units to sell when it was stopped");
  for (const chunk of (await chunksOf(stage, sku)).filter(({ id }) => ended.some((other) => other.id === id))) assertEnded(chunk);
  // Promised from a chunk that has ended, an order is placed with none.
  assert.equal(await ordersWithoutChunk(stage, askedFirstBetween(stage.heard.at(-1)?.operations ?? [], stopped)), 0, "who asked while it was stopped was promised nothing from a chunk that had ended");
  return run;
}

/** A request that is sent again has the order that it had, so its first time counts. */
function askedFirstBetween(operations: readonly Operation[], { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): readonly string[] {
  const first = Map.groupBy(operations, ({ requestId }) => requestId);
  const isIn = (attempts: readonly Operation[]): boolean => {
    const atMs = Math.min(...attempts.map(({ intentMs }) => intentMs));
    return atMs > fromMs && atMs < toMs;
  };
  return [...first].filter(([, attempts]) => isIn(attempts)).map(([requestId]) => requestId);
}

async function knowsSale({ platform }: Stage, sku: string): Promise<boolean> {
  const { sales } = (await (await fetch(`${platform.origin}/sales`, { signal: AbortSignal.timeout(PROMISED_CAP_MS) })).json()) as { readonly sales: readonly { readonly sku: string }[] };
  return sales.some((sale) => sale.sku === sku);
}

function assertEnded({ id, state, leased, reserved, cameBack }: ChunkState): void {
  assert.deepEqual({ id, state, cameBack }, { id, state: "closed", cameBack: leased - reserved }, "what nobody reserved came back, and once");
}
