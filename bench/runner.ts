import { parseArgs } from "node:util";
import { measureLoad } from "./load.ts";
import type { Operation } from "./load.ts";
import { encodeLine } from "./measurement.ts";
import type { RunnerLine } from "./measurement.ts";
import { levelsOf } from "./options.ts";
import { percentile } from "./statistics.ts";

/** A started engine, ready to be measured. */
export interface Engine {
  /** One operation from start to durable result: a three-step workflow, or one plain commit. */
  once: Operation;
  stop(): Promise<void>;
}

/** What the bench tells a runner. */
export interface RunnerTask {
  /** Under which its figures are to be reported. */
  name: string;
  /** An empty database of the bench's own server, for this round of this engine alone. */
  databaseUrl: string;
  inFlight: number[];
  measureMs: number;
  /** Which of its ways the engine is to be used in; every runner names its own. */
  variant: string;
}

/** Idle operations measured, unless the engine is so slow that the time runs out first. */
const idle = { warmUps: 30, tries: 150, limitMs: 4000 };

export function say(line: RunnerLine): void {
  process.stdout.write(encodeLine(line));
}

/** Reads what the bench asked of this process. The database's address holds a password, so it comes in the environment. */
export function taskOfProcess(): RunnerTask {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "unnamed" },
      "in-flight": { type: "string", default: "50" },
      "measure-ms": { type: "string", default: "3000" },
      variant: { type: "string", default: "" },
    },
  });
  return {
    name: values.name,
    databaseUrl: process.env["TRIPACT_BENCH_URL"] ?? "",
    inFlight: levelsOf(values["in-flight"]),
    measureMs: Number(values["measure-ms"]),
    variant: values.variant,
  };
}

/** The whole life of a runner process: start the engine, measure it idle and at every level, stop it. */
export async function runEngine(start: (task: RunnerTask) => Promise<Engine>): Promise<void> {
  const task = taskOfProcess();
  const engine = await start(task);
  try {
    const idleP50Ms = await measureIdle(engine.once);
    for (const inFlight of task.inFlight) {
      try {
        const figures = await measureLoad({ inFlight, warmUpMs: 1000, measureMs: task.measureMs }, engine.once);
        say({ kind: "measured", measurement: { name: task.name, inFlight, ...figures, idleP50Ms } });
      } catch (error) {
        say({ kind: "level-failed", inFlight, reason: error instanceof Error ? error.message : String(error) });
      }
    }
  } finally {
    await engine.stop();
  }
  // Engines leave timers and sockets behind after their stop; this process has nothing else to wait for.
  process.exit(0);
}

async function measureIdle(once: Operation): Promise<number> {
  const startedAt = performance.now();
  const tookMs: number[] = [];
  for (let n = 0; n < idle.warmUps + idle.tries; n += 1) {
    const begunAt = performance.now();
    if (tookMs.length > 0 && begunAt - startedAt > idle.limitMs) break;
    await once(0);
    if (n >= idle.warmUps || begunAt - startedAt > idle.limitMs / 2) tookMs.push(performance.now() - begunAt);
  }
  tookMs.sort((a, b) => a - b);
  return percentile(tookMs, 0.5);
}
