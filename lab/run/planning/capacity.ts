/** How many purchases a second a mode sells here. Recovery is measured at a share of it. */
import { mkdirSync } from "node:fs";
import { untilQuiet } from "../../evidence/until-quiet.ts";
import { loadHistory, type History } from "../../history/reader.ts";
import type { Interval } from "../../measures/recovery.ts";
import { startLoad } from "../../load/start.ts";
import type { Databases } from "../../platform/databases.ts";
import type { ModeName } from "../../platform/mode-processes.ts";
import { goFirst } from "../../platform/niceness.ts";
import { interruptible } from "../../start/measuring/interruptible.ts";
import { GATEWAY, openStage, PAYMENT_WINDOW_MS } from "../cell/stage.ts";

/** What is offered while recovery is measured: enough to see a dip, and room to work off what an outage has left. */
export const LOAD_SHARE = 0.5;

/** Of what naive sells, to every mode alike: what a pattern costs is seen where the cheapest one has work. */
export const BUSY_SHARE = 0.7;

/** Where the primary has a disk of its own: an ext4 in a file, on which a purchase's commits take so long that TCC sold no more than 35 a second. */
export const LIGHT_PER_SECOND = 15;

/** Offered at first, and then so much more from step to step; where the first step is too much, so much less. */
const FIRST_PER_SECOND = 40;
const STEP = 1.25;
const MOST_PER_SECOND = 5_000;
const LEAST_PER_SECOND = 2;
const STEP_SECONDS = 5;
/** What a few seconds carry may be borrowed: from queues, and from a machine that gives more for a moment than it can keep up. */
const LASTING_SECONDS = 10;
/** What a step that was too much has left is not the next one's to carry. */
const DRAINED_CAP_MS = 60_000;
/** Later is not carried but queued. A provider's slow answer takes a tenth of it, four hops of messages a third. */
const IN_TIME_MS = 1_000;
/** From a step's start: until what it changed has worked through. The very first purchases also find everything cold. */
const SETTLING_MS = 2_000;
const COLD_SECONDS = 3;
/** Some buyers are declined, and some ask a second time for the same. */
const CARRIED_SHARE = 0.9;
const ANSWERS_CAP_MS = 60_000;
const SKU = "capacity";

export interface CapacityPlan {
  readonly mode: ModeName;
  readonly databases: Databases;
  readonly seed: number;
  /** The history goes here. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/**
 * The highest of these rates at which what was offered was also paid, within a second and for ten seconds, in purchases a second: under
 * overload a shop sells less, and tells more of its queue than of itself. @throws when the mode carries none of them
 */
export async function measureCapacity({ mode, databases, seed, folder, signal }: CapacityPlan): Promise<number> {
  mkdirSync(folder, { recursive: true });
  const stage = await openStage({ mode, databases, seed, wires: [], signal });
  const historyPath = `${folder}/history.ndjson`;
  try {
    const load = await startLoad({ target: stage.platform.origin, historyPath, seed });
    try {
      goFirst(load.pid);
      const now = Date.now();
      await stage.platform.openSale({ sku: SKU, units: 1_000_000, cents: 100, limitPerBuyer: 1_000_000, paymentWindowMs: 8 * PAYMENT_WINDOW_MS, opensAt: now - 1_000, closesAt: now + 3_600_000 });
      const step = async (ratePerSecond: number, seconds: number): Promise<boolean> => {
        const { startsAt, ended } = await interruptible(load.start({ sku: SKU, ratePerSecond, seconds, seed, returnShare: 1 }), signal);
        await interruptible(ended, AbortSignal.any([signal, AbortSignal.timeout(seconds * 1_000 + ANSWERS_CAP_MS)]));
        const carried = isCarriedIn(await loadHistory(historyPath), { fromMs: startsAt + SETTLING_MS, toMs: startsAt + seconds * 1_000 });
        if (!carried) await untilQuiet(stage.platform.databaseUrls, { livingGateways: [GATEWAY], capMs: DRAINED_CAP_MS, signal });
        return carried;
      };
      await step(FIRST_PER_SECOND / 2, COLD_SECONDS);
      return await highestLasting(step, mode);
    } finally {
      await load.killWhole();
    }
  } finally {
    await stage.stop();
  }
}

async function highestCarried(isCarried: (ratePerSecond: number) => Promise<boolean>, mode: ModeName): Promise<number> {
  let [rate, carried] = [FIRST_PER_SECOND, await isCarried(FIRST_PER_SECOND)];
  const up = carried;
  for (;;) {
    const next = up ? Math.ceil(rate * STEP) : Math.floor(rate / STEP);
    if (carried && (!up || next > MOST_PER_SECOND)) return rate;
    if (!up && next < LEAST_PER_SECOND) throw new Error(`${mode} does not sell ${rate} purchases a second, so there is no rate at which to break it`);
    carried = await isCarried(next);
    if (up && !carried) return rate;
    rate = next;
  }
}

/** Found by short steps, and shown by long ones. Exported for its test. */
export async function highestLasting(isCarried: (ratePerSecond: number, seconds: number) => Promise<boolean>, mode: ModeName): Promise<number> {
  let rate = await highestCarried((each) => isCarried(each, STEP_SECONDS), mode);
  while (!(await isCarried(rate, LASTING_SECONDS))) {
    rate = Math.floor(rate / STEP);
    if (rate < LEAST_PER_SECOND) throw new Error(`${mode} keeps up no rate for ${LASTING_SECONDS} seconds, so there is none at which to break it`);
  }
  return rate;
}

/** Of what was offered in that time, most was paid in time. Exported for its test. */
export function isCarriedIn({ operations, finals }: Pick<History, "operations" | "finals">, { fromMs, toMs }: Interval): boolean {
  const paidAt = new Map(finals.flatMap(({ orderId, state, at }) => (state === "paid" ? [[orderId, at] as const] : [])));
  const offered = operations.filter(({ op, s }) => op === "purchase" && s >= fromMs && s < toMs - IN_TIME_MS);
  const inTime = offered.filter(({ key, s }) => (paidAt.get(key) ?? Infinity) - s <= IN_TIME_MS);
  return offered.length > 0 && inTime.length >= CARRIED_SHARE * offered.length;
}
