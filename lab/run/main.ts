/** `npm run lab`. Results go to standard output, what goes on meanwhile to standard error. */
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { BadUsage, interruption, INTERRUPTED } from "../command-line.ts";
import { LoadError } from "../load/start.ts";
import { PlatformError } from "../platform/failure.ts";
import { writeReport } from "../report/report.ts";
import { readResults, ResultsError } from "../results/file.ts";
import type { Results } from "../results/results.ts";
import { showProgress } from "../start/progress.ts";
import { RESULTS_ROOT as root, RunFolder, runNameOf } from "./keeping/folder.ts";
import { brokenPromises, judgesAsleep } from "./keeping/gathered.ts";
import { networkFor } from "./own-network.ts";
import { parseCommand, usage, type LabCommand, type LabPlan } from "./planning/options.ts";
import { runLab } from "./run.ts";
import { alarmLines, costTable, sourceTable, table } from "./keeping/table.ts";

const EXIT = { done: 0, failed: 1, usage: 2, brokenPromise: 3, interrupted: INTERRUPTED } as const;
const SEEDS = 1_000_000;

function understood(args: readonly string[]): Exclude<LabCommand, { readonly kind: "replay" }> {
  const command = parseCommand(args, randomInt(1, SEEDS));
  return command.kind === "replay" ? understood(new RunFolder(root, command.run).args()) : command;
}

function commandOrExit(): Exclude<LabCommand, { readonly kind: "replay" }> {
  try {
    return understood(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(EXIT.usage);
  }
}

async function measured(plan: LabPlan): Promise<number> {
  const folder = new RunFolder(root, runNameOf(new Date(), plan.seed));
  const progress = showProgress(process.stderr);
  const signal = interruption((line) => progress.say(line));
  try {
    console.log(`Run ${folder.run}, seed ${plan.seed}; the same again with: npm run lab -- replay ${folder.run}`);
    const appendTo = plan.append === undefined ? undefined : new RunFolder(root, plan.append);
    const results = await runLab({ plan, folder, appendTo, progress, signal });
    progress.stop();
    tell(results);
    const broken = brokenPromises(results.cells);
    for (const promise of broken) console.log(`BROKEN PROMISE: ${promise}`);
    const asleep = judgesAsleep(results);
    for (const variant of asleep) console.log(`THE JUDGES ARE ASLEEP: ${variant}`);
    tellFiles(appendTo ?? folder);
    if (signal.aborted) return EXIT.interrupted;
    if (broken.length > 0) return EXIT.brokenPromise;
    return results.incomplete === null && asleep.length === 0 ? EXIT.done : EXIT.failed;
  } catch (error) {
    progress.stop();
    drawWhatIsThere(folder);
    if (signal.aborted) return EXIT.interrupted;
    const known = error instanceof PlatformError || error instanceof LoadError || error instanceof ResultsError;
    progress.say(known ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
    return EXIT.failed;
  } finally {
    progress.stop();
  }
}

async function carriedOut(plan: LabPlan): Promise<number> {
  const network = await networkFor(plan.faults, (line) => console.error(line));
  return network.kind === "done" ? network.code : measured({ ...plan, faults: network.faults });
}

function tell(results: Results): void {
  console.log(table(results.cells));
  const more = [sourceTable(results.headline), costTable(results.degradation), alarmLines(results.falseAlarms)];
  for (const text of more) if (text !== "") console.log(`\n${text}`);
  console.log("");
  for (const { fault, why } of results.notPossibleHere) console.log(`not possible here: ${fault}: ${why}`);
  if (results.quick) console.log("A quick look: few runs and short observations; no figure here is a p95.");
  if (results.incomplete !== null) console.log(`INCOMPLETE: ${results.incomplete}`);
}

function tellFiles({ resultsFile, reportFile }: RunFolder): void {
  console.log(`${resultsFile}\n${reportFile}`);
}

/** Whatever went wrong: the runs that were over are on disk, and have their page. */
function drawWhatIsThere(folder: RunFolder): void {
  if (!existsSync(folder.resultsFile)) return;
  writeReport(readResults(folder.resultsFile), folder.reportFile);
  tellFiles(folder);
}

const command = commandOrExit();
if (command.kind === "help") console.log(usage);
else process.exitCode = await carriedOut(command.plan);
