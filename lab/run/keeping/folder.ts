/** Where a run leaves what it has measured: `lab/results/RUN/`, with what was asked for, the results, and a history of each run. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { BadUsage } from "../../command-line.ts";

const RESULTS_FOLDER = fileURLToPath(new URL("../../results/", import.meta.url)).replace(/\/$/, "");
/** Where the runs lie. */
export const RESULTS_ROOT = process.env["LAB_RESULTS"] || RESULTS_FOLDER;
const RUN_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,79}$/;

/** It becomes part of a path. @throws BadUsage */
export function runName(option: string, text: string): string {
  if (!RUN_NAME.test(text)) throw new BadUsage(`${option} needs the name of a run, a folder of lab/results, got "${text}"`);
  return text;
}

export class RunFolder {
  readonly run: string;
  readonly path: string;

  constructor(root: string, run: string) {
    this.run = run;
    this.path = `${root}/${run}`;
  }

  get resultsFile(): string {
    return `${this.path}/results.json`;
  }

  get reportFile(): string {
    return `${this.path}/report.html`;
  }

  cell(mode: string, fault: string, round: number): string {
    return `${this.path}/${mode}/${fault}-${round}`;
  }

  /** A run that is there already is another one's. */
  make(): void {
    mkdirSync(dirname(this.path), { recursive: true });
    mkdirSync(this.path);
  }

  /** What is to be done when the run is replayed. */
  keepPlan(args: readonly string[]): void {
    writeFileSync(`${this.path}/plan.json`, `${JSON.stringify({ args })}\n`);
  }

  /** @throws BadUsage where there is no such run */
  args(): readonly string[] {
    let plan: unknown;
    try {
      plan = JSON.parse(readFileSync(`${this.path}/plan.json`, "utf8"));
    } catch (cause) {
      throw new BadUsage(`there is no run ${this.run} to replay: ${this.path}/plan.json cannot be read`, { cause });
    }
    const { args } = plan as { readonly args?: unknown };
    if (!Array.isArray(args) || !args.every((arg) => typeof arg === "string")) throw new BadUsage(`${this.path}/plan.json names no options`);
    return args;
  }
}

/** A folder's name that sorts by time. */
export function runNameOf(now: Date, seed: number): string {
  return `${now.toISOString().slice(0, 19).replace("T", "-").replaceAll(":", "")}-${seed}`;
}
