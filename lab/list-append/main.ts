/** `npm run lab -- list-append`. What was found goes to standard output, what goes on meanwhile to standard error. */
import { writeFile } from "node:fs/promises";
import { BadUsage, interruption, INTERRUPTED } from "../command-line.ts";
import { overall } from "../checkers/judge.ts";
import { showProgress } from "../start/progress.ts";
import { ednFile } from "./edn.ts";
import { LIST_APPEND_USAGE, parseListAppend } from "./options.ts";
import { runListAppend } from "./run.ts";
import { historyHeader, listAppendText } from "./table.ts";

const EXIT = { valid: 0, invalid: 1, usage: 2, unknown: 3 } as const;

async function main(): Promise<number> {
  if (process.argv.includes("--help")) {
    console.log(LIST_APPEND_USAGE);
    return EXIT.valid;
  }
  const progress = showProgress(process.stderr);
  const signal = interruption((line) => progress.say(line));
  try {
    const options = parseListAppend(process.argv.slice(2));
    // Before anything is started: a run whose history cannot be kept is no run.
    await writeFile(options.outFile, "", { flag: "a" });
    const run = await runListAppend(options, { signal, onPhase: (phase) => progress.now(phase) });
    await writeFile(options.outFile, ednFile(run.history, historyHeader(run, options)));
    progress.stop();
    console.log(listAppendText(run, options));
    return EXIT[overall(run.verdicts)];
  } catch (error) {
    progress.stop();
    if (signal.aborted) return INTERRUPTED;
    if (!(error instanceof BadUsage)) throw error;
    console.error(`${error.message}\n\n${LIST_APPEND_USAGE}`);
    return EXIT.usage;
  } finally {
    progress.stop();
  }
}

process.exitCode = await main();
