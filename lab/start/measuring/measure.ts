/** One mode from start to verdict: a scarce sale under far more than it has, then one of plenty, then rest, then the judges. */
import { rounded, type SoldMode } from "../figures.ts";
import { interruptible } from "./interruptible.ts";
import { judgeRun } from "./judging.ts";
import type { StartPlan } from "../options.ts";
import type { Progress } from "../progress.ts";
import { untilAtRest } from "./rest.ts";
import { readSaleBooks } from "./sale-books.ts";
import type { Progress as LoadProgress, PhaseEnded } from "../../load/protocol.ts";
import { startLoad, type Load } from "../../load/start.ts";
import { usedBetween, type CpuMs } from "../../platform/cpu.ts";
import { sum, type Databases } from "../../platform/databases.ts";
import type { ModeName } from "../../platform/mode-processes.ts";
import { goFirst } from "../../platform/niceness.ts";
import { startPlatform, type Platform } from "../../platform/platform.ts";
import type { SaleOffer } from "../../platform/sale-door.ts";

export interface Scene {
  readonly plan: StartPlan;
  readonly databases: Databases;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Where histories lie; the caller's to delete. */
  readonly folder: string;
  /** Other services than the flash sale's own. */
  readonly servicesFolder: string | undefined;
}

const SCARCE = "scarce";
const PLENTY = "plenty";
const CENTS = 1_990;
/** Longer than any queue of this run: nobody's order expires because others were before him. */
const PAYMENT_WINDOW_MS = 120_000;
const SALE_MS = 24 * 3_600_000;
/** As many as have the sale sold out and then some. */
const BUYERS = 2_500;
const BUYERS_MAX = 50_000;
const SETTLE_CAP_MS = 10_000;
/** A generator that is late itself has this much to catch up. */
const ANSWERS_CAP_MS = 60_000;
/** Alive until after the judging: what they have leased is theirs. */
const GATEWAYS = ["gateway-1"];

/** Above what two cores can sell, so that goodput is capacity; not so far above that turning buyers away is most of the work. */
const PLENTY_PER_SECOND = 1_000;
export function plentyPerSecondOf({ ratePerSecond }: Pick<StartPlan, "ratePerSecond">): number {
  return Math.min(PLENTY_PER_SECOND, ratePerSecond);
}

/** Starting, resting, asking, judging and stopping. */
const BESIDE_SALES_MS = 24_000;

/** A guess. */
export function expectedSaleMs({ seconds }: Pick<StartPlan, "seconds">): number {
  return 2 * seconds * 1_000 + BESIDE_SALES_MS;
}

/** Everybody may buy as much as he likes, there is enough. */
const UNLIMITED = 1_000_000;

export function saleOf(sku: string, units: number, limitPerBuyer: number): SaleOffer {
  const now = Date.now();
  return { sku, units, cents: CENTS, limitPerBuyer, paymentWindowMs: PAYMENT_WINDOW_MS, opensAt: now - 1_000, closesAt: now + SALE_MS };
}

export async function measureMode(mode: ModeName, scene: Scene): Promise<SoldMode> {
  const { plan, databases, progress, signal, servicesFolder, folder } = scene;
  progress.now(`${mode}: starting the services`);
  const onLine = plan.verbose ? (name: string, line: string): void => progress.say(`${mode} ${name}: ${line}`) : undefined;
  const platform = await startPlatform({ mode, databases, servicesFolder, gatewayPort: plan.port, seed: plan.seed, onLine, signal });
  let load: Load | undefined;
  try {
    const historyFile = `${folder}/${mode}.ndjson`;
    load = await startLoad({ target: platform.origin, historyPath: historyFile, seed: plan.seed, onProgress: (told) => progress.detail(detailOf(told)) });
    goFirst(load.pid);
    signal.throwIfAborted();
    return await sellAndJudge(mode, scene, { platform, load, historyFile });
  } finally {
    progress.now(`${mode}: stopping the services`);
    await load?.killWhole();
    await platform.stop();
  }
}

function detailOf({ accepted, soldOut, paid }: LoadProgress): string {
  return `${accepted.toLocaleString("en")} accepted, ${soldOut.toLocaleString("en")} sold out, ${paid.toLocaleString("en")} paid in all`;
}

interface Running {
  readonly platform: Platform;
  readonly load: Load;
  readonly historyFile: string;
}

async function sellAndJudge(mode: ModeName, scene: Scene, running: Running): Promise<SoldMode> {
  const { plan, progress, signal } = scene;
  const { platform, load, historyFile } = running;
  const sales = [saleOf(SCARCE, plan.units, 1), saleOf(PLENTY, 2 * plentyPerSecondOf(plan) * plan.seconds, UNLIMITED)];
  for (const sale of sales) await platform.openSale(sale);
  const scarce = await offer(mode, scene, running, { sku: SCARCE, ratePerSecond: plan.ratePerSecond, returnShare: 0.1 });
  await rest(mode, scene, platform);
  const begun = { cpuMs: platform.cpuMs(), atMs: Date.now(), lab: process.cpuUsage() };
  await offer(mode, scene, running, { sku: PLENTY, ratePerSecond: plentyPerSecondOf(plan), returnShare: 1 });
  await rest(mode, scene, platform);
  const used = usedBetween(begun.cpuMs, platform.cpuMs());
  // No part of the platform, but of the machine's load.
  const lab = process.cpuUsage(begun.lab);
  progress.now(`${mode}: asking after what is not known`);
  const settled = await interruptible(load.settle(SETTLE_CAP_MS), signal);
  await rest(mode, scene, platform);
  await interruptible(load.quit(), signal);
  progress.now(`${mode}: judging`);
  const harm = await judgeRun({ platform, sales, historyFile, livingGateways: GATEWAYS });
  for (const line of harm.objections) progress.say(`${mode}: ${line}`);
  const between = { fromMs: begun.atMs, toMs: begun.atMs + plan.seconds * 1_000 };
  const scarceBooks = await readSaleBooks(platform.databaseUrls.orders, SCARCE, between);
  const plentyBooks = await readSaleBooks(platform.databaseUrls.orders, PLENTY, between);
  const cpuMs = sum(Object.values(used));
  if (plan.verbose) progress.say(`${mode}: CPU ms per purchase: ${shares(used, plentyBooks.paid)}; not counted: ${shares({ lab: (lab.user + lab.system) / 1_000 }, plentyBooks.paid)}`);
  const bought = settled.phases[1]?.paidMs;
  return {
    mode,
    offered: scarce.offered,
    accepted: scarce.accepted,
    soldOut: scarce.soldOut,
    limited: scarce.limited,
    paid: scarceBooks.paid,
    unitsSold: scarceBooks.unitsSold,
    oversold: harm.oversold,
    lost: harm.lost,
    duplicated: harm.duplicated,
    stuck: harm.stuck,
    gatewayP50Ms: scarce.answerMs?.p50 ?? null,
    gatewayP99Ms: scarce.answerMs?.p99 ?? null,
    purchaseP50Ms: bought?.p50 ?? null,
    purchaseP99Ms: bought?.p99 ?? null,
    cpuMsPerPurchase: cpuMs === undefined || plentyBooks.paid === 0 ? null : rounded(cpuMs / plentyBooks.paid),
    objections: harm.objections,
    goodputPerSecond: plentyBooks.paidBetween / plan.seconds,
  };
}

interface Offer {
  readonly sku: string;
  readonly ratePerSecond: number;
  /** How much a buyer who has bought wants more. */
  readonly returnShare: number;
}

async function offer(mode: ModeName, { plan, progress, signal }: Scene, { load }: Running, { sku, ratePerSecond, returnShare }: Offer): Promise<PhaseEnded> {
  const what = sku === SCARCE ? `${plan.units.toLocaleString("en")} units` : "plenty of units";
  progress.now(`${mode}: ${what} under ${ratePerSecond.toLocaleString("en")} requests/s`);
  const buyers = Math.min(Math.max(BUYERS, 2 * plan.units), BUYERS_MAX);
  const { ended } = await interruptible(load.start({ sku, ratePerSecond, returnShare, buyers, seconds: plan.seconds, seed: plan.seed }), signal);
  const cap = AbortSignal.timeout(plan.seconds * 1_000 + ANSWERS_CAP_MS);
  return interruptible(ended, AbortSignal.any([signal, cap]));
}

/** What is still open after this is for the judges to name. */
async function rest(mode: ModeName, { progress, signal }: Scene, platform: Platform): Promise<void> {
  progress.now(`${mode}: waiting until all is quiet`);
  const found = await untilAtRest(platform.databaseUrls, { signal, livingGateways: GATEWAYS, onOpen: (open) => progress.detail(open) });
  if (found.kind !== "quiet") progress.say(`${mode}: not quiet, ${found.kind}: ${found.open}`);
}

function shares(used: CpuMs, purchases: number): string {
  return Object.entries(used).map(([name, ms]) => `${name} ${ms === undefined ? "?" : (ms / purchases).toFixed(2)}`).join(", ");
}
