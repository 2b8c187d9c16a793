/** One sale under load with a fault in the middle, until all is at rest; then the judges. */
import { setTimeout as wait } from "node:timers/promises";
import type { Verdict } from "../checkers/checker.ts";
import { judge } from "../checkers/judge.ts";
import { readEvidence } from "../evidence/read-evidence.ts";
import { untilQuiet, type Rest } from "../evidence/until-quiet.ts";
import { seeded } from "../load/arrivals.ts";
import type { PhaseEnded, Progress, Settled } from "../load/protocol.ts";
import { startLoad, type Load } from "../load/start.ts";
import { heardIn } from "../evidence/heard.ts";
import type { Fault } from "./faults.ts";
import { GATEWAY, PAYMENT_WINDOW_MS, type Stage } from "./stage.ts";
import { inTime, until } from "./until.ts";

export interface SalePlan {
  readonly sku: string;
  readonly units: number;
  readonly seed: number;
  readonly fault?: Fault;
}

export interface SaleRun {
  readonly sku: string;
  readonly seed: number;
  /** Phase after phase. */
  readonly offers: readonly PhaseEnded[];
  readonly settled: Settled;
  readonly rest: Rest;
  readonly unwritten: number;
  readonly verdicts: readonly Verdict[];
  /** What was broken, in words. */
  readonly fault: string;
}

/** More than any pattern keeps up on two cores: what is broken is broken under load, some are refused, and few units are sold out. */
const RATE_PER_SECOND = 120;
/** The first sale of a platform, whose services have compiled nothing yet: offered more, every purchase can be too late to be paid. */
const COLD_RATE_PER_SECOND = 10;
const SECONDS = 2;
const LIMIT_PER_BUYER = 2;
const BUYERS = 300;
const CENTS = 1_990;
const DAY_MS = 86_400_000;
/** The fault's place in the sale: early enough for it to be healed before the end, but not before a purchase is through: what is paid is what can be lost, and after a slow restart all others may have expired. */
const FAULT_FROM_SHARE = 0.2;
const FAULT_TO_SHARE = 0.5;
const FIRST_PAID_CAP_MS = 5_000;
const ANSWERED_CAP_MS = 20_000;
/** Above the payment window and the longest pause between two tries. */
const SETTLE_CAP_MS = 15_000;
/** Buyers ask every 50 ms. */
const TOLD_CAP_MS = 3_000;
const QUIET_CAP_MS = 15_000;

export async function openSaleOn(stage: Stage, sku: string, units: number): Promise<void> {
  const now = Date.now();
  const offer = { sku, units, cents: CENTS, limitPerBuyer: LIMIT_PER_BUYER, paymentWindowMs: PAYMENT_WINDOW_MS, opensAt: now - 1_000, closesAt: now + DAY_MS };
  await stage.platform.openSale(offer);
  stage.sales.push(offer);
}

export interface Selling {
  readonly load: Load;
  /** Requests that wait for their answers, those that were accepted, and orders that were paid, as of a moment ago. */
  readonly lately: () => Pick<Progress, "inFlight" | "accepted" | "paid">;
  /** On the history's clock. */
  readonly sinceStartMs: () => number;
  /** Starts a phase, and gives its end. */
  readonly offer: (plan: { readonly seconds: number; readonly ratePerSecond?: number; readonly firstBuyer?: number }) => Promise<{ readonly ended: Promise<PhaseEnded> }>;
  /** Does it, and notes both in the history. */
  readonly befall: (fault: Fault) => Promise<void>;
}

/** `act` is the sale; afterwards what is in doubt is asked again, and all is judged when it is quiet. */
export async function sell(stage: Stage, { sku, units, seed }: SalePlan, fault: string, act: (selling: Selling) => Promise<readonly PhaseEnded[]>, caps: { readonly settleMs?: number; readonly quietMs?: number } = {}): Promise<SaleRun> {
  const historyFile = `${stage.folder}/${sku}.ndjson`;
  let last: ReturnType<Selling["lately"]> = { inFlight: 0, accepted: 0, paid: 0 };
  const onProgress = (progress: Progress): void => void (last = progress);
  const load = await startLoad({ target: stage.platform.origin, historyPath: historyFile, run: sku, seed, onProgress });
  try {
    await openSaleOn(stage, sku, units);
    const offers = await act(sellingWith(stage, { load, lately: () => last }, sku, seed));
    const settled = await load.settle(caps.settleMs ?? SETTLE_CAP_MS);
    const rest = await untilQuiet(stage.platform.databaseUrls, { ...livingIn(stage), capMs: caps.quietMs ?? QUIET_CAP_MS });
    // What has come to its end only now was still to be told.
    await load.follow(TOLD_CAP_MS);
    const unwritten = await load.quit();
    stage.heard.push(await heardIn(historyFile));
    return { sku, seed, offers, settled, rest, unwritten, verdicts: await verdictsOn(stage), fault };
  } finally {
    await load.killWhole();
  }
}

function sellingWith(stage: Stage, { load, lately }: Pick<Selling, "load" | "lately">, sku: string, seed: number): Selling {
  return {
    load,
    lately,
    sinceStartMs: () => hrtimeMs() - load.originMs,
    async offer({ seconds, ratePerSecond = RATE_PER_SECOND, firstBuyer = 0 }) {
      const { ended } = await load.start({ sku, seconds, ratePerSecond, firstBuyer, seed, buyers: BUYERS, repeatShare: 0.03, returnShare: 0.3 });
      const over = inTime(`the phase of ${sku}`, seconds * 1_000 + ANSWERED_CAP_MS, ended);
      // Whoever fails before he asks for it has said so.
      over.catch(() => undefined);
      return { ended: over };
    },
    async befall(fault) {
      const { name, target } = fault;
      for (const kind of ["fault", "heal"] as const) {
        const fromMs = hrtimeMs();
        await (kind === "fault" ? fault.strike(stage) : fault.heal(stage));
        await load.note({ kind, name, target, fromMs, toMs: hrtimeMs() });
      }
    },
  };
}

/** The usual one: a phase, and in it the fault at a moment that the seed says. */
export async function sellUnder(stage: Stage, plan: SalePlan, caps?: { readonly settleMs?: number; readonly quietMs?: number }): Promise<SaleRun> {
  const { fault, seed } = plan;
  const atMs = Math.round(SECONDS * 1_000 * (FAULT_FROM_SHARE + (FAULT_TO_SHARE - FAULT_FROM_SHARE) * seeded(seed)()));
  const words = fault === undefined ? "no fault" : `${fault.name} of ${fault.target} ${atMs} ms into the sale or a little later`;
  const act = async ({ offer, befall, lately }: Selling): Promise<readonly PhaseEnded[]> => {
    const { ended } = await offer({ seconds: SECONDS, ratePerSecond: fault === undefined ? COLD_RATE_PER_SECOND : RATE_PER_SECOND });
    if (fault !== undefined) {
      await wait(atMs);
      await until("a purchase was paid before anything is broken", FIRST_PAID_CAP_MS, () => lately().paid > 0);
      await befall(fault);
    }
    return [await ended];
  };
  return sell(stage, plan, words, act, caps);
}

/** Of everything that was sold on this stage. */
async function verdictsOn(stage: Stage): Promise<readonly Verdict[]> {
  const { platform, heard, sales } = stage;
  const provider = { url: platform.origins["provider"] ?? "", key: platform.secrets.providerKey };
  const all = {
    operations: heard.flatMap(({ operations }) => operations ?? []),
    finals: heard.flatMap(({ finals }) => finals ?? []),
    historyIsWhole: heard.every(({ historyIsWhole }) => historyIsWhole),
  };
  return judge(await readEvidence({ databases: platform.databaseUrls, provider }, all, { sales, ...livingIn(stage) }), platform.mode);
}

/** A gateway that was killed is back under its name, and what its former self had leased is not its. */
function livingIn({ platform }: Stage): { readonly livingGateways: readonly string[]; readonly gatewaysSinceMs: number } {
  return { livingGateways: [GATEWAY], gatewaysSinceMs: platform.processes.get(GATEWAY)?.sinceMs ?? 0 };
}

function hrtimeMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
