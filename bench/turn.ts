import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { spawnLeashed } from "@tripact/testbed";
import { decodeLine } from "./measurement.ts";
import type { RunnerLine } from "./measurement.ts";

/** Somebody to be measured: a runner file and what to tell it. */
export interface Contestant {
  /** As it stands in the results. */
  name: string;
  /** One line for people: what exactly runs. */
  about: string;
  runner: URL;
  variant?: string;
  inFlight: number[];
  /** What else its runner is told. */
  args?: readonly string[];
  /** Why it cannot run at all, if it cannot. */
  missing?: string | undefined;
}

/** One contestant's turn in one round. `failure` may come beside figures, when a later level failed. */
export interface Turn {
  lines: RunnerLine[];
  failure?: string;
}

export interface TurnTask {
  databaseUrl: string;
  measureMs: number;
  onLine?: (line: RunnerLine) => void;
}

const turnCapMs = 300_000;

/**
 * Runs a contestant in a process of its own: nobody inherits another's warm code, heap or connections.
 * It dies with this process, and takes along what it started.
 */
export async function takeTurn(contestant: Contestant, task: TurnTask): Promise<Turn> {
  const child = await spawnLeashed({
    command: process.execPath,
    args: [
      ...process.execArgv,
      fileURLToPath(contestant.runner),
      `--name=${contestant.name}`,
      `--in-flight=${contestant.inFlight.join(",")}`,
      `--measure-ms=${task.measureMs}`,
      `--variant=${contestant.variant ?? ""}`,
      ...(contestant.args ?? []),
    ],
    env: { ...process.env, NODE_ENV: "production", TRIPACT_BENCH_URL: task.databaseUrl },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const overdue = setTimeout(() => child.kill("SIGKILL"), turnCapMs);
  const lines: RunnerLine[] = [];
  let errors = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    errors = (errors + text).slice(-4000);
  });
  if (child.stdout !== null) {
    for await (const text of createInterface({ input: child.stdout })) {
      const line = decodeLine(text);
      if (line === undefined) continue;
      lines.push(line);
      task.onLine?.(line);
    }
  }
  const { code, signal } = await child.exited;
  clearTimeout(overdue);
  await child.killWhole();
  if (code === 0) return { lines };
  return { lines, failure: failureText(errors) ?? `ended with ${signal ?? `code ${code}`}` };
}

/** The line of a crash report that says what happened. */
function failureText(errors: string): string | undefined {
  return errors.split("\n").find((line) => /^\s*(\w*Error\b|error:|thrown:)/i.test(line))?.trim();
}
