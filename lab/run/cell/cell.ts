/** One run: a sale at an even rate, a fault at a moment that the seed says, its heal, rest, and the judges. */
import { mkdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { machineMs, startFailover, startRestarts, type Probed as WatchProbed, type Watch } from "@tripact/testbed";
import type { Evidence, Verdict } from "../../checkers/checker.ts";
import { judge, overall } from "../../checkers/judge.ts";
import { heardIn } from "../../evidence/heard.ts";
import { NOTHING_READ, readEvidence } from "../../evidence/read-evidence.ts";
import { EvidenceError } from "../../evidence/snapshot.ts";
import { untilQuiet, type Rest } from "../../evidence/until-quiet.ts";
import { FaultError, type Fault, type Heal } from "../../faults/fault.ts";
import { loadHistory } from "../../history/reader.ts";
import { seeded } from "../../load/arrivals.ts";
import { startLoad, type Load } from "../../load/start.ts";
import type { Probed } from "../../measures/outage.ts";
import type { Interval } from "../../measures/recovery.ts";
import type { RunRecord } from "../../results/results.ts";
import { rowsOf } from "../../platform/mode-processes.ts";
import { goFirst } from "../../platform/niceness.ts";
import { interruptible } from "../../start/measuring/interruptible.ts";
import { watchBacklog } from "./backlog.ts";
import { recordOf, type Ran } from "../measuring/record.ts";
import { earlierOf, since } from "../measuring/since.ts";
import { probeHealth, type Probing } from "./probing.ts";
import { readCpu, spentBetween } from "./spending.ts";
import { lookAsStranger } from "./stranger.ts";
import type { Timing } from "../planning/schedule.ts";
import { FAILOVER, GATEWAY, PAYMENT_WINDOW_MS, type Stage } from "./stage.ts";

export interface CellPlan {
  readonly fault: Fault;
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly units: number;
  readonly timing: Timing;
  /** The history goes here. */
  readonly folder: string;
  readonly replay: string;
}

export interface CellWatcher {
  readonly signal: AbortSignal;
  readonly onPhase: (phase: string) => void;
}

export interface CellRun {
  readonly record: RunRecord;
  /** The database has failed over, wanted or not: the pair is spent. */
  readonly spent: boolean;
}

/** From the load's start to the baseline's: answers take a moment to flow evenly. */
const RUN_IN_MS = 1_000;
const CENTS = 1_990;
const LIMIT_PER_BUYER = 1_000_000;
const DAY_MS = 86_400_000;
const ANSWERED_CAP_MS = 30_000;
/** Buyers ask every 50 ms. */
const TOLD_CAP_MS = 3_000;

export async function runCell(stage: Stage, plan: CellPlan, watcher: CellWatcher): Promise<CellRun> {
  mkdirSync(plan.folder, { recursive: true });
  const historyPath = `${plan.folder}/history.ndjson`;
  const sku = `${plan.fault.name}-${stage.sales.length + 1}`;
  watcher.onPhase("opening the sale");
  const load = await startLoad({ target: stage.platform.origin, historyPath, run: sku, seed: plan.seed });
  goFirst(load.pid);
  const ending: (() => unknown)[] = [() => load.killWhole()];
  try {
    const now = Date.now();
    const sale = { sku, units: plan.units, cents: CENTS, limitPerBuyer: LIMIT_PER_BUYER, paymentWindowMs: PAYMENT_WINDOW_MS, opensAt: now - 1_000, closesAt: now + DAY_MS };
    await stage.platform.openSale(sale);
    stage.sales.push(sale);
    const startedAt = new Date(now).toISOString();
    const { backlogUntilNow, seenUntilNow, spent, ...broken } = await sellAndBreak(stage, plan, watcher, { load, sku, ending });
    watcher.onPhase("waiting until all is quiet");
    await interruptible(load.settle(plan.timing.settleCapMs), watcher.signal);
    const restFromMs = machineMs() - load.originMs;
    const rest = await untilQuiet(stage.platform.databaseUrls, { ...livingIn(stage), capMs: plan.timing.quietCapMs, signal: watcher.signal });
    // What has come to its end only now was still to be told to whoever asked for it.
    await interruptible(load.follow(TOLD_CAP_MS), watcher.signal);
    await interruptible(load.quit(), watcher.signal);
    watcher.onPhase("judging");
    const seen = seenUntilNow();
    const { evidence, verdicts } = await judged(stage, sku, historyPath);
    const { seed, replay, ratePerSecond } = plan;
    const untilMs = Math.max(restFromMs + rest.tookMs, broken.offeredUntilMs);
    const ran: Ran = { startedAt, seed, replay, sku, history: await loadHistory(historyPath), evidence, verdicts, untilMs, ratePerSecond, ...broken, backlog: backlogUntilNow(), seen, remarks: remarksOn(rest) };
    // Nobody knows in what state a platform is whose databases did not answer: the next run gets a fresh one.
    return { record: recordOf(ran), spent: spent || evidence.orders === null };
  } finally {
    for (const end of ending.toReversed()) await end();
  }
}

function remarksOn({ kind, tookMs, open }: Rest): readonly string[] {
  return kind === "quiet" ? [] : [`not at rest ${Math.round(tookMs)} ms after the load: ${JSON.stringify(open)}`];
}

interface Selling {
  readonly load: Load;
  readonly sku: string;
  /** Done in the reverse order when the run is over, however it ended. */
  readonly ending: (() => unknown)[];
}

type Broken = Pick<Ran, "baseline" | "fault" | "injected" | "victim" | "rowTimes" | "healedAtMs" | "offeredUntilMs" | "probes" | "oneHost" | "notes" | "cpuMs"> & {
  readonly spent: boolean;
  /** It goes on being looked at until all is quiet. */
  readonly backlogUntilNow: () => Ran["backlog"];
  /** The same. What was known before this sale is not of it. */
  readonly seenUntilNow: () => Ran["seen"];
};

async function sellAndBreak(stage: Stage, plan: CellPlan, { signal, onPhase }: CellWatcher, { load, sku, ending }: Selling): Promise<Broken> {
  const { fault, timing } = plan;
  // The same moment and the same victim for every mode: they are compared.
  const random = seeded(plan.seed ^ hash(fault.name));
  const victims = fault.victimsIn(stage.mode);
  const victim = victims[Math.floor(random() * victims.length)] ?? "";
  const faultInMs = RUN_IN_MS + timing.baselineMs + Math.round(random() * timing.jitterMs);
  const seconds = Math.ceil((faultInMs + observedMs(fault, timing)) / 1_000);
  const offer = { sku, ratePerSecond: plan.ratePerSecond, seed: plan.seed, returnShare: 1 };
  if (stage.sales.length === 1) {
    onPhase("warming up");
    const warm = await load.start({ ...offer, seconds: timing.warmUpMs / 1_000 });
    await inTime(warm.ended, timing.warmUpMs, signal);
  }
  const fromWatch: WatchProbed[] = [];
  const watch = await watchOver(stage, fault, (probed) => fromWatch.push(probed));
  ending.push(() => watch.stop());
  const probing = probingOf(stage, fault, victim);
  ending.push(() => probing?.stop());
  // Where messages carry the purchase, what waits of them is part of having recovered.
  const backlog = rowsOf(stage.mode).some(({ kind }) => kind === "relay") ? watchBacklog(stage.platform.databaseUrls) : undefined;
  ending.push(() => backlog?.stop());
  const stranger = lookAsStranger(stage.platform.databaseUrls, sku);
  ending.push(() => stranger.stop());
  const clock = (hrtimeMs: number): number => hrtimeMs - load.originMs;
  const notes: string[] = [];
  onPhase("baseline");
  const phase = await load.start({ ...offer, seconds });
  const until = (ms: number): Promise<void> => wait(Math.max(0, ms - clock(machineMs())), undefined, { signal });
  await until(phase.startsAt + RUN_IN_MS);
  const cpuAtStart = readCpu(stage);
  await until(phase.startsAt + faultInMs);
  const cpuAtFault = readCpu(stage);
  onPhase(fault.breaksNothing ? "observing" : `${fault.name}: ${victim}`);
  const injecting = { fromMs: machineMs() };
  const scene = { platform: stage.platform, databases: stage.databases, clocks: stage.clocks, watch, random };
  const heal = await fault.inject(scene, victim);
  // Whatever ends this run, nothing stays broken behind it.
  ending.push(() => heal().catch(() => undefined));
  const injected = { ...injecting, toMs: machineMs() };
  await load.note({ kind: "fault", name: fault.name, target: victim, ...injected });
  await wait(fault.holdMs, undefined, { signal });
  const healedAtMs = await healed(heal, { load, name: fault.name, target: victim, notes, signal });
  onPhase("observing");
  const offeredUntilMs = phase.startsAt + seconds * 1_000;
  await inTime(phase.ended, Math.max(0, offeredUntilMs - clock(machineMs())), signal);
  const cpuAtEnd = readCpu(stage);
  const interval: Interval = { fromMs: clock(injected.fromMs), toMs: clock(injected.toMs) };
  return {
    baseline: { fromMs: phase.startsAt + RUN_IN_MS, toMs: interval.fromMs },
    fault: interval,
    injected: !fault.breaksNothing,
    victim: fault.breaksNothing ? null : victim,
    // Every time in a row is the primary's.
    rowTimes: fault.clocks === "faked" && victim === "postgres" ? "skewed" : "true",
    healedAtMs: healedAtMs === null ? null : clock(healedAtMs),
    offeredUntilMs,
    backlogUntilNow: () => backlog?.levels.map(({ atMs, level }) => ({ atMs: clock(atMs), level })) ?? null,
    seenUntilNow: () => ({ looks: stranger.looks, unanswered: stranger.unanswered, sightings: stranger.sightings.filter(({ orderId }) => !stage.earlier.orderIds.has(orderId)).map((each) => ({ ...each, atMs: clock(each.atMs) })) }),
    cpuMs: { healthy: spentBetween(stage, cpuAtStart, cpuAtFault), underFault: spentBetween(stage, cpuAtFault, cpuAtEnd) },
    probes: (probing?.probes ?? fromWatch.map(plain)).map(({ fromMs, toMs, ok }) => ({ fromMs: clock(fromMs), toMs: clock(toMs), ok })),
    oneHost: watch.timeline.filter(({ kind }) => kind === "promoted").map(({ atMs }) => ({ fromMs: clock(atMs), toMs: offeredUntilMs })),
    notes: [...notes, ...unwanted(watch, fault)],
    spent: fault.spendsStandby || (fault.database === "failover" && watch.timeline.length > 0),
  };
}

/** The longer one: a fault that stays for a while is to be seen healed. */
export function observedMs({ holdMs }: Pick<Fault, "holdMs">, { observeMs }: Timing): number {
  return Math.max(observeMs, holdMs + Math.min(observeMs, 5_000));
}

interface Healing {
  readonly load: Load;
  readonly name: string;
  readonly target: string;
  readonly notes: string[];
  readonly signal: AbortSignal;
}

/** One that does not heal is said of the run, whose other figures stand. */
async function healed(heal: Heal, { load, name, target, notes, signal }: Healing): Promise<number | null> {
  const fromMs = machineMs();
  try {
    await interruptible(heal(), signal);
  } catch (error) {
    signal.throwIfAborted();
    const isHealed = error instanceof FaultError && error.code === "nothing-to-hit";
    notes.push(`${isHealed ? "it hit nothing" : "not healed"}: ${error instanceof Error ? error.message : String(error)}`);
    if (!isHealed) return null;
  }
  const toMs = machineMs();
  await load.note({ kind: "heal", name, target, fromMs, toMs });
  return toMs;
}

function inTime<T>(promise: Promise<T>, plannedMs: number, signal: AbortSignal): Promise<T> {
  return interruptible(promise, AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(plannedMs) + ANSWERED_CAP_MS)]));
}

function watchOver({ databases }: Stage, fault: Fault, onProbe: (probed: WatchProbed) => void): Promise<Watch> {
  const { proxy, pair, primary } = databases;
  if (proxy === undefined) throw new Error("a run needs databases behind a proxy, for a failover to repoint");
  if (fault.database === "restart") return startRestarts({ server: primary, endpoint: proxy, onProbe });
  if (pair === undefined) throw new Error(`${fault.name} needs a pair of databases`);
  return startFailover({ pair, endpoint: proxy, onProbe, ...FAILOVER });
}

function probingOf({ platform }: Stage, { dependency, wires }: Fault, victim: string): Probing | undefined {
  switch (dependency) {
    case "database":
      return undefined;
    case "victim":
      return probeHealth(platform.origins[victim] ?? "");
    case "wire": {
      const wire = platform.wires.find(({ from, toName }) => toName === victim && wires.some((cut) => cut.from === from));
      return probeHealth(`http://127.0.0.1:${wire?.proxy.port}`);
    }
  }
}

function plain(probed: WatchProbed): Probed {
  return { fromMs: probed.fromMs, toMs: probed.toMs, ok: probed.kind === "answered" };
}

/** A failover that nobody asked for: what was measured is not what the run says. */
function unwanted({ timeline }: Watch, { name, dependency, database, spendsStandby, holdMs }: Fault): readonly string[] {
  const restarted = dependency === "database" && database === "restart";
  // While a fault lasts, what was started again may die of it again.
  const wanted = restarted && holdMs > 0 ? Infinity : restarted || spendsStandby ? 1 : 0;
  const last = timeline.at(-1);
  return last === undefined || last.death <= wanted ? [] : [`the database was recovered though ${name} does not hit it: ${timeline.find(({ kind }) => kind === "declared")?.detail}`];
}

/** As long as nobody has objected, of everything; afterwards of what is new, so that nothing is counted twice. */
async function judged(stage: Stage, sku: string, historyPath: string): Promise<{ readonly evidence: Evidence; readonly verdicts: readonly Verdict[] }> {
  const { platform, heard, sales } = stage;
  heard.push(await heardIn(historyPath));
  const all = {
    operations: heard.flatMap(({ operations }) => operations ?? []),
    finals: heard.flatMap(({ finals }) => finals ?? []),
    historyIsWhole: heard.every(({ historyIsWhole }) => historyIsWhole),
  };
  const provider = { url: platform.origins["provider"] ?? "", key: platform.secrets.providerKey };
  const reading = { sales, ...livingIn(stage) };
  const databases = platform.databaseUrls;
  // A run whose database or provider never came back is the worst one, not a missing one.
  const whole = await readEvidence({ databases, provider }, all, reading)
    .catch(unlessUnreachable(() => readEvidence({ databases }, all, reading)))
    .catch(unlessUnreachable((): Evidence => ({ ...NOTHING_READ, ...all, sales })));
  const evidence = since(whole, sku, stage.earlier);
  const verdicts = judge(stage.clean ? whole : evidence, stage.mode);
  if (whole.orders !== null) stage.earlier = earlierOf(whole);
  stage.clean &&= overall(verdicts) !== "invalid";
  return { evidence, verdicts };
}

function unlessUnreachable<T>(otherwise: () => T | Promise<T>): (error: unknown) => T | Promise<T> {
  return (error) => {
    if (error instanceof EvidenceError && error.code === "unreachable") return otherwise();
    throw error;
  };
}

/** A gateway that was killed is back under the same name: what its former self had leased is not its. */
function livingIn({ platform }: Stage): { readonly livingGateways: readonly string[]; readonly gatewaysSinceMs: number } {
  return { livingGateways: [GATEWAY], gatewaysSinceMs: platform.processes.get(GATEWAY)?.sinceMs ?? 0 };
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const letter of text) value = Math.imul(value ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return value;
}
