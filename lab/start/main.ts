/** `npm start`. Results go to standard output, what goes on meanwhile to standard error. */
import { randomInt } from "node:crypto";
import { BadUsage, interruption, INTERRUPTED } from "../command-line.ts";
import { LoadError } from "../load/start.ts";
import { PlatformError } from "../platform/failure.ts";
import { parseCommand, usage, type StartCommand } from "./options.ts";
import { showProgress } from "./progress.ts";
import { run } from "./run.ts";

const EXIT = { done: 0, failed: 1, usage: 2, brokenPromise: 3, interrupted: INTERRUPTED } as const;
const SEEDS = 1_000_000;

function understood(): StartCommand {
  try {
    return parseCommand(process.argv.slice(2), randomInt(1, SEEDS));
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    process.exit(EXIT.usage);
  }
}

async function main(): Promise<number> {
  const command = understood();
  if (command.kind === "help") {
    console.log(usage);
    return EXIT.done;
  }
  const progress = showProgress(process.stderr);
  const print = (text: string): void => {
    progress.clear();
    console.log(text);
  };
  const signal = interruption((line) => progress.say(line));
  const servicesFolder = process.env["LAB_SERVICES"];
  try {
    const { broken, incomplete } = await run({ plan: command.plan, print, progress, signal, servicesFolder });
    if (broken.length > 0) return EXIT.brokenPromise;
    return incomplete === null ? EXIT.done : EXIT.failed;
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    progress.say(error instanceof PlatformError || error instanceof LoadError ? error.message : describe(error));
    return EXIT.failed;
  } finally {
    progress.stop();
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

process.exitCode = await main();
