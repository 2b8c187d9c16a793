import { Worker } from "node:worker_threads";
import type { Variant } from "./faults.ts";
import { simulate } from "./run.ts";

export interface SeedsOptions {
  readonly from: number;
  readonly seeds: number;
  /** Once only, not twice to compare the traces. */
  readonly once: boolean;
  readonly variant: Variant | undefined;
}

export interface FailedSeed {
  readonly seed: number;
  readonly problems: readonly string[];
}

export interface SeedsReport {
  /** Over all runs: a seed that runs twice counts twice. */
  readonly transactions: number;
  readonly crashes: number;
  readonly failed: readonly FailedSeed[];
}

/** Runs seeds one after the other in this thread; stops after the first failure if told so. */
export async function runSeeds(options: SeedsOptions & { readonly every?: number; readonly stopAtFailure?: boolean }): Promise<SeedsReport> {
  const { from, seeds, once, variant, every = 1, stopAtFailure = false } = options;
  let transactions = 0;
  let crashes = 0;
  const failed: FailedSeed[] = [];
  for (let seed = from; seed < from + seeds; seed += every) {
    const first = await simulate(seed, variant);
    transactions += first.transactions;
    crashes += first.crashes;
    const problems = [...first.violations];
    if (!once) {
      const second = await simulate(seed, variant);
      transactions += second.transactions;
      if (second.trace !== first.trace) problems.push(`not deterministic: trace ${first.trace}, then ${second.trace}`);
    }
    if (problems.length > 0) failed.push({ seed, problems });
    if (stopAtFailure && failed.length > 0) break;
  }
  return { transactions, crashes, failed };
}

/** The same, dealt out to several threads: seeds do not depend on each other. */
export async function runSeedsInThreads(options: SeedsOptions, threads: number): Promise<SeedsReport> {
  const count = Math.min(threads, options.seeds);
  const parts = Array.from({ length: count }, (_, index) => ({ ...options, from: options.from + index, seeds: options.seeds - index, every: count }));
  const reports = await Promise.all(parts.map(inThread));
  return {
    transactions: reports.reduce((sum, report) => sum + report.transactions, 0),
    crashes: reports.reduce((sum, report) => sum + report.crashes, 0),
    failed: reports.flatMap((report) => report.failed).toSorted((a, b) => a.seed - b.seed),
  };
}

function inThread(part: SeedsOptions & { readonly every: number }): Promise<SeedsReport> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./thread.ts", import.meta.url), { workerData: part });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a simulation thread ended without a report")));
  });
}

/** How to see a failure again. */
export function replayLine(seed: number, variant: Variant | undefined): string {
  return `npm run sim -- --seeds 1 --from ${seed}${variant === undefined ? "" : ` --variant ${variant}`} --trace`;
}
