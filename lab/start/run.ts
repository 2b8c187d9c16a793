/** `npm start`: the databases, each mode in its turn, the table, and then a shop that stays open. */
import { writeFile } from "node:fs/promises";
import { once } from "node:events";
import { describeMachine, leashedFolder, machineText, removeLeashedFolder } from "@tripact/testbed";
import { startDatabases, type Databases } from "../platform/databases.ts";
import { MODE_NAMES, type ModeName } from "../platform/mode-processes.ts";
import { startPlatform } from "../platform/platform.ts";
import { checkPortIsFree } from "../platform/network/port.ts";
import { TimeLeft } from "../run/planning/time-left.ts";
import { brokenPromises, compared, rotated, type MeasuredMode, type Results } from "./figures.ts";
import { expectedSaleMs, measureMode, plentyPerSecondOf, saleOf } from "./measuring/measure.ts";
import { expectedKillMs, killPlan, killPrimary } from "./measuring/primary-killed.ts";
import type { StartPlan } from "./options.ts";
import { withTimeLeft, type Progress } from "./progress.ts";
import { table, tableHead, tableRow } from "./table.ts";
import { versionsText, versionsWith } from "./versions.ts";

export interface Stage {
  readonly plan: StartPlan;
  /** What stays on the screen; the table goes here. */
  readonly print: (text: string) => void;
  readonly progress: Progress;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly servicesFolder?: string | undefined;
}

const SHOP_SKU = "lamp";
const SHOP_LIMIT = 5;

export interface Outcome {
  /** The promises that guarded modes have broken, a sentence each. */
  readonly broken: readonly string[];
  /** What was asked for and not measured; null where there is no such thing. */
  readonly incomplete: string | null;
}

/** Throws the signal's reason when it is interrupted, after what was measured until then is told. */
export async function run(stage: Stage): Promise<Outcome> {
  const { plan, print, progress, signal } = stage;
  const page = `http://127.0.0.1:${plan.port}/`;
  await checkPortIsFree(plan.port, "stop that program, or choose another port with --port N");
  print(`The shop's page: ${page} (answers whenever a mode is up)`);
  const modes = plan.mode === undefined ? rotated(MODE_NAMES, plan.seed) : [plan.mode];
  print(`Modes in this order: ${modes.join(", ")}; seed ${plan.seed}, the same again with --seed ${plan.seed}`);
  progress.now("starting PostgreSQL, a primary and a synchronous standby");
  const databases = await startDatabases({ servers: "pair", endpoint: "direct" });
  const folder = leashedFolder("/var/tmp/tripact-start-");
  try {
    const found: Found = { modes: [], broken: [], missed: [] };
    try {
      await measureAll(stage, { databases, folder, modes, found });
    } catch (error) {
      const { length } = found.modes.filter(({ primaryKilled }) => !plan.kill || primaryKilled !== null);
      found.missed.push(`${signal.aborted ? "interrupted" : "broken off"} after ${length} of ${modes.length} modes`);
      await tell(stage, databases, found);
      throw error;
    }
    const outcome = await tell(stage, databases, found);
    if (!plan.once) await stayOpen(stage, databases, page);
    return outcome;
  } finally {
    progress.now("stopping PostgreSQL");
    await databases.stop();
    removeLeashedFolder(folder);
  }
}

/** Filled as it goes on, so that whatever ends it leaves what was measured until then. */
interface Found {
  readonly modes: MeasuredMode[];
  /** By the primary's death. */
  readonly broken: string[];
  readonly missed: string[];
}

interface Measuring {
  readonly databases: Databases;
  readonly folder: string;
  readonly modes: readonly ModeName[];
  readonly found: Found;
}

/** Each mode sells, and then loses its primary; its row is there as soon as both are over. */
async function measureAll({ plan, progress: shown, signal, servicesFolder }: Stage, { databases, folder, modes, found }: Measuring): Promise<void> {
  signal.throwIfAborted();
  const timeLeft = new TimeLeft(modes.flatMap((mode) => [expectedSaleMs(plan), ...(plan.kill ? [expectedKillMs(mode, plan.seed)] : [])]));
  let parts = 0;
  const progress = withTimeLeft(shown, () => timeLeft.text());
  for (const mode of modes) {
    const sold = await measureMode(mode, { plan, databases, progress, signal, folder, servicesFolder });
    const at = found.modes.push({ ...sold, primaryKilled: null }) - 1;
    timeLeft.finished(parts++);
    if (plan.kill) {
      const onLine = plan.verbose ? (name: string, line: string): void => progress.say(`${mode} ${name}: ${line}`) : undefined;
      const killed = await killPrimary(mode, plan.seed, { progress, signal, folder, platform: { servicesFolder, gatewayPort: plan.port, onLine } });
      found.modes[at] = { ...sold, primaryKilled: killed.figures };
      found.broken.push(...killed.broken);
      if (killed.missed !== null) found.missed.push(killed.missed);
      timeLeft.finished(parts++);
    }
    const row = compared(found.modes)[mode];
    if (row === undefined || modes.length === 1) continue;
    if (found.modes.length === 1) progress.say(tableHead());
    progress.say(tableRow(mode, row));
  }
  shown.now("done");
}

async function tell({ plan, print }: Stage, { primary }: Databases, found: Found): Promise<Outcome> {
  const incomplete = found.missed.length === 0 ? null : found.missed.join("; ");
  const killPerSecond = plan.kill ? (killPlan(MODE_NAMES, plan.seed).rates.naive ?? null) : null;
  const results: Results = {
    schema: 2,
    incomplete,
    machine: describeMachine(primary.dataFolder),
    versions: versionsWith(primary.version),
    seed: plan.seed,
    load: { ratePerSecond: plan.ratePerSecond, seconds: plan.seconds, units: plan.units, plentyPerSecond: plentyPerSecondOf(plan), primaryKilledPerSecond: killPerSecond },
    modes: compared(found.modes),
  };
  const objections = Object.fromEntries(found.modes.map((one) => [one.mode, one.objections]));
  const broken = [...brokenPromises(results.modes, objections), ...found.broken];
  if (found.modes.length > 0) {
    print(`\n${table(results.modes)}\n\n${machineText(results.machine, versionsText(results.versions))}`);
    if (killPerSecond !== null) print(`The primary was killed once a mode, at ${killPerSecond} purchases a second: a look, and no p95. More runs, more faults: npm run lab`);
    for (const { mode, primaryKilled } of found.modes) for (const remark of primaryKilled?.remarks ?? []) print(`${mode}, primary killed: ${remark}`);
    if (plan.jsonFile !== undefined) await writeFile(plan.jsonFile, `${JSON.stringify(results, undefined, 2)}\n`);
  }
  if (incomplete !== null) print(`INCOMPLETE: ${incomplete}`);
  for (const promise of broken) print(`BROKEN PROMISE: ${promise}`);
  return { broken, incomplete };
}

async function stayOpen({ plan, print, progress, signal, servicesFolder }: Stage, databases: Databases, page: string): Promise<void> {
  const mode = plan.mode ?? "saga";
  progress.now(`opening the shop in mode ${mode}`);
  const onLine = plan.verbose ? (name: string, line: string): void => progress.say(`${name}: ${line}`) : undefined;
  const platform = await startPlatform({ mode, databases, servicesFolder, gatewayPort: plan.port, seed: plan.seed, onLine, signal });
  try {
    await platform.openSale(saleOf(SHOP_SKU, plan.units, SHOP_LIMIT));
    progress.stop();
    print(`\nThe shop is open in mode ${mode}, with ${plan.units.toLocaleString("en")} units of "${SHOP_SKU}": ${page}\nCtrl-C closes it.`);
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    await platform.stop();
  }
}
