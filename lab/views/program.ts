/** A view as a program: figures go to standard output, what goes on meanwhile to standard error. */
import { writeFile } from "node:fs/promises";
import { BadUsage, INTERRUPTED, interruption } from "../command-line.ts";
import { ResultsError } from "../results/file.ts";
import { addPart, checkedRun } from "../run/keeping/into.ts";
import { showProgress, type Progress } from "../start/progress.ts";
import type { Prepared, View, Viewed } from "./view.ts";

const EXIT = { done: 0, failed: 1, usage: 2, interrupted: INTERRUPTED } as const;

export interface Surroundings {
  readonly print?: (text: string) => void;
}

/** Tells the exit code: 1 where what it was to show is not so, or where it could not be added to a run. */
export async function runView(view: View, args: readonly string[], { print = console.log }: Surroundings = {}): Promise<number> {
  if (args.includes("--help")) {
    print(view.usage);
    return EXIT.done;
  }
  let prepared: Prepared;
  try {
    prepared = view.prepare(args);
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    console.error(`${error.message}\n\n${view.usage}`);
    return EXIT.usage;
  }
  const progress = showProgress(process.stderr);
  const signal = interruption((line) => progress.say(line));
  try {
    const viewed = await measured(prepared, progress, signal, print);
    return viewed.failed ? EXIT.failed : EXIT.done;
  } catch (error) {
    progress.stop();
    if (signal.aborted) return EXIT.interrupted;
    if (error instanceof BadUsage) {
      console.error(error.message);
      return EXIT.usage;
    }
    console.error(error instanceof ResultsError ? error.message : error);
    return EXIT.failed;
  } finally {
    progress.stop();
  }
}

async function measured(prepared: Prepared, progress: Progress, signal: AbortSignal, print: (text: string) => void): Promise<Viewed> {
  const { jsonFile, into } = prepared;
  // Before minutes of measuring, not after them.
  const run = into === undefined ? undefined : checkedRun(into);
  const printBetween = (text: string): void => {
    progress.clear();
    print(text);
  };
  const viewed = await prepared.measure({ onProgress: (text) => progress.now(text), print: printBetween, signal, folder: run?.path });
  progress.stop();
  print(viewed.text);
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify(viewed.figures, undefined, 2)}\n`);
  if (run !== undefined) for (const path of addPart(run, viewed.part)) print(path);
  return viewed;
}
