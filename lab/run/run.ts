/** The schedule, staging by staging. What is measured is on disk at once, so whatever ends this leaves it. */
import { describeMachine } from "@tripact/testbed";
import { startDatabases, type Databases, type DatabasesOptions } from "../platform/databases.ts";
import { writeReport } from "../report/report.ts";
import { appendResults, readResults, writeResults } from "../results/file.ts";
import type { Results } from "../results/results.ts";
import type { Progress } from "../start/progress.ts";
import { runCell } from "./cell/cell.ts";
import { commit } from "./keeping/code.ts";
import { settingsWith, versions } from "./keeping/effective.ts";
import type { RunFolder } from "./keeping/folder.ts";
import { Gathered } from "./keeping/gathered.ts";
import { argsOf, type LabPlan } from "./planning/options.ts";
import { rateOf, ratesFor, ratesOfEarlier, type Rates } from "./planning/rates.ts";
import { expectedMs, FULL, QUICK, scheduleOf, type Scheduled, type Staging, type Timing } from "./planning/schedule.ts";
import { openStage, type Stage, type StageOptions } from "./cell/stage.ts";
import { TimeLeft } from "./planning/time-left.ts";
import { lookAtViews } from "./views.ts";

export interface Lab {
  readonly plan: LabPlan;
  readonly folder: RunFolder;
  /** Where the run lies to whose results these are added. */
  readonly appendTo: RunFolder | undefined;
  readonly progress: Progress;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Other lengths than the usual ones. */
  readonly timing?: Timing;
  readonly platform?: StageOptions["platform"];
}

interface Running {
  readonly lab: Lab;
  readonly timing: Timing;
  readonly rates: Rates;
  readonly gathered: Gathered;
  readonly timeLeft: TimeLeft;
  readonly runs: number;
  done: number;
}

/** With what was measured until then, when it is interrupted. @throws ResultsError where the earlier run is of another kind */
export async function runLab(lab: Lab): Promise<Results> {
  // Before anything is started.
  if (lab.appendTo !== undefined) readResults(lab.appendTo.resultsFile);
  const running = await breakAll(lab);
  const { gathered } = running;
  if (lab.signal.aborted) gathered.missed(`interrupted after ${running.done} of ${running.runs} runs`);
  else await lookAtViews(lab, { onPart: (part) => gathered.addViews(part), onMissed: (why) => gathered.missed(why) });
  return finish(running);
}

async function breakAll(lab: Lab): Promise<Running> {
  const { plan, folder, progress, signal } = lab;
  const timing = lab.timing ?? (plan.quick ? QUICK : FULL);
  const schedule = scheduleOf(plan);
  folder.make();
  const earlier = ratesOfEarlier(lab.appendTo);
  progress.now("starting PostgreSQL, a primary and a synchronous standby");
  const servers = new Servers();
  try {
    const databases = await servers.fit({});
    const rates = await ratesFor(plan, earlier, { databases, folder, signal, onMode: (mode) => progress.now(`${mode}: how much it can sell here`) });
    folder.keepPlan(argsOf({ ...plan, rates: rates.perSecond, busyRate: rates.busyPerSecond }));
    const given = {
      run: folder.run, commit: commit(), seed: plan.seed, startedAt: new Date().toISOString(), quick: plan.quick,
      machine: describeMachine(databases.primary.dataFolder), versions: versions(databases.primary.version), settings: await settingsWith(plan, rates, timing, databases),
      notPossibleHere: plan.faults.flatMap((fault) => {
        const why = fault.notPossible();
        return why === undefined ? [] : [{ fault: fault.name, why }];
      }),
    };
    const gathered = new Gathered(given, plan.modes, plan.faults);
    const timeLeft = new TimeLeft(schedule.map((staging) => expectedMs(staging, timing)));
    const running: Running = { lab, timing, rates, gathered, timeLeft, runs: schedule.reduce((sum, { cells }) => sum + cells.length, 0), done: 0 };
    // Before an hour of measuring, not after it.
    addedTo(lab, gathered.results());
    for (const [index, staging] of schedule.entries()) {
      if (signal.aborted) break;
      await play(running, staging, servers);
      timeLeft.finished(index);
    }
    return running;
  } finally {
    progress.now("stopping PostgreSQL");
    await servers.stop();
  }
}

type Ground = Pick<DatabasesOptions, "disk" | "clock">;

/** What the faults of one platform ask of the servers under it. */
function groundFor(cells: Staging["cells"]): Ground {
  return {
    disk: cells.some(({ fault }) => fault.disk === "own") ? "own" : undefined,
    clock: cells.some(({ fault }) => fault.clocks === "faked") ? "faked" : undefined,
  };
}

/** The pair, and another one when its standby has been used up, or the next faults need one of another kind. */
class Servers {
  #databases: Databases | undefined;
  #ground: Ground = {};

  async fit(ground: Ground): Promise<Databases> {
    if (ground.disk !== this.#ground.disk || ground.clock !== this.#ground.clock) await this.stop();
    this.#ground = ground;
    return (this.#databases ??= await startDatabases({ servers: "pair", endpoint: "proxied", ...ground }));
  }

  async stop(): Promise<void> {
    const databases = this.#databases;
    this.#databases = undefined;
    await databases?.stop();
  }
}

/** One that fails is said, and the next one has everything anew. */
async function play(running: Running, { mode, cells }: Staging, servers: Servers): Promise<void> {
  const { lab, gathered } = running;
  const { progress, signal, plan } = lab;
  let stage: Stage | undefined;
  let spent = false;
  let done = 0;
  try {
    progress.now(`${mode}: starting the platform`);
    const [first] = cells;
    stage = await openStage({ mode, databases: await servers.fit(groundFor(cells)), seed: first?.seed ?? plan.seed, wires: cells.flatMap(({ fault }) => fault.wires), signal, platform: lab.platform });
    for (const scheduled of cells) {
      signal.throwIfAborted();
      if (spent) throw new Error("the database has failed over, and no standby is left for what was to follow");
      spent = await measure(running, stage, scheduled);
      done += 1;
      running.done += 1;
    }
  } catch (error) {
    spent = true;
    if (signal.aborted) return;
    const why = `${mode} under ${cells.slice(done).map(({ fault }) => fault.name).join(", ")}: ${error instanceof Error ? error.message : String(error)}`;
    progress.say(`not measured: ${why}`);
    gathered.missed(why);
    running.done += cells.length - done;
  } finally {
    progress.now(`${mode}: stopping the platform`);
    await stage?.stop().catch((error: unknown) => progress.say(`${mode} did not stop in good order: ${String(error)}`));
    if (spent) await servers.stop();
  }
}

async function measure(running: Running, stage: Stage, { fault, round, seed }: Scheduled): Promise<boolean> {
  const { lab, timing, rates, gathered, timeLeft } = running;
  const { plan, progress, signal, folder } = lab;
  const { mode } = stage;
  const replay = `npm run lab -- ${argsOf({ ...plan, modes: [mode], faults: [fault], runs: 1, rates: rates.perSecond, busyRate: fault.load === "busy" ? rates.busyPerSecond : undefined, seed, views: [] }).join(" ")}`;
  const onPhase = (phase: string): void => {
    progress.now(`${mode} × ${fault.name}, run ${round} of ${plan.runs} (${running.done + 1} of ${running.runs}): ${phase}`);
    progress.detail(timeLeft.text());
  };
  const cellPlan = { fault, seed, ratePerSecond: rateOf(rates, mode, fault), units: plan.units, timing, folder: folder.cell(mode, fault.name, round), replay };
  const { record, spent } = await runCell(stage, cellPlan, { signal, onPhase });
  gathered.add(mode, fault, record);
  for (const line of record.notJudged) progress.say(`${mode} × ${fault.name}: ${line}`);
  keep(running, `broken off after ${running.done + 1} of ${running.runs} runs`);
  return spent;
}

/** On disk after every run: what was measured is not lost with who measured it. */
function keep({ lab, gathered }: Running, unfinished: string): void {
  writeResults(gathered.results(unfinished), lab.folder.resultsFile);
}

function finish({ lab, gathered }: Running): Results {
  const { folder, plan, appendTo } = lab;
  const own = gathered.results();
  // Its own first: an earlier run that has become unlike in the meantime must not cost an hour of measuring.
  written(own, folder);
  if (plan.jsonFile !== undefined) writeResults(own, plan.jsonFile);
  if (appendTo === undefined) return own;
  const all = addedTo(lab, own);
  written(all, appendTo);
  return all;
}

function written(results: Results, { resultsFile, reportFile }: RunFolder): void {
  writeResults(results, resultsFile);
  writeReport(results, reportFile);
}

function addedTo({ appendTo }: Lab, results: Results): Results {
  return appendTo === undefined ? results : appendResults(readResults(appendTo.resultsFile), results);
}
