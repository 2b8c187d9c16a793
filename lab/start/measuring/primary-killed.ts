/** The primary killed in mid-sale: one quick run of `npm run lab`, on a pair of servers of its own, since no standby is left afterwards. */
import { rounded, type PrimaryKilled } from "../figures.ts";
import type { Progress } from "../progress.ts";
import type { ModeName } from "../../platform/mode-processes.ts";
import type { PlatformOptions } from "../../platform/platform.ts";
import type { RunDuration, RunRecord } from "../../results/results.ts";
import { RunFolder } from "../../run/keeping/folder.ts";
import { brokenPromises } from "../../run/keeping/gathered.ts";
import { parseCommand, type LabPlan } from "../../run/planning/options.ts";
import { runLab } from "../../run/run.ts";
import { expectedMs, QUICK, scheduleOf } from "../../run/planning/schedule.ts";

const FAULT = "primary-killed";

export interface Killing {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** Where the history lies; the caller's to delete. */
  readonly folder: string;
  readonly platform: Pick<PlatformOptions, "servicesFolder" | "gatewayPort" | "onLine">;
}

export interface Killed {
  readonly figures: PrimaryKilled | null;
  /** What a guarded mode has not been seen to keep, with the line that does it again. */
  readonly broken: readonly string[];
  /** Why there are no figures, or not all of them. */
  readonly missed: string | null;
}

/** What `npm run lab` does by itself with these options: rate, units and lengths are its own. */
export function killPlan(modes: readonly ModeName[], seed: number): LabPlan {
  const command = parseCommand(["--modes", modes.join(","), "--faults", FAULT, "--quick", "--views", "none"], seed);
  if (command.kind !== "run") throw new Error(`the lab does not run ${FAULT}`);
  return command.plan;
}

/** A guess. */
export function expectedKillMs(mode: ModeName, seed: number): number {
  return scheduleOf(killPlan([mode], seed)).reduce((sum, staging) => sum + expectedMs(staging, QUICK), 0);
}

export async function killPrimary(mode: ModeName, seed: number, { progress, signal, folder, platform }: Killing): Promise<Killed> {
  const results = await runLab({
    plan: killPlan([mode], seed),
    folder: new RunFolder(folder, `${mode}-${FAULT}`),
    appendTo: undefined,
    // How long it takes is told for all modes together.
    progress: { ...progress, detail: () => undefined },
    signal,
    platform,
  });
  signal.throwIfAborted();
  const record = results.cells[0]?.records[0];
  return { figures: record === undefined ? null : figuresOf(record), broken: brokenPromises(results.cells), missed: results.incomplete };
}

export function figuresOf({ rtoMs, outageMs, rpo, verdict, notJudged, replay }: RunRecord): PrimaryKilled {
  return {
    rtoFirstMs: shortened(rtoMs.first),
    rtoHeadlineMs: shortened(rtoMs.headline),
    outageMs: outageMs === null ? null : rounded(outageMs),
    lost: rpo.operations,
    verdict,
    remarks: notJudged,
    replay,
  };
}

function shortened(duration: RunDuration): RunDuration {
  if (typeof duration === "number") return rounded(duration);
  return "beyondMs" in duration ? { beyondMs: rounded(duration.beyondMs) } : duration;
}
