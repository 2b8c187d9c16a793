/** The resilience ladder of the source's section 4.4: order → stock partitioned, four clients, how long each is without good answers. */
import { startDatabases } from "../platform/databases.ts";
import { ladderFigures, type LadderFigures } from "./figures.ts";
import type { ViewOutputs } from "../views/view.ts";
import type { LadderOptions } from "./options.ts";
import { runPartition, type PartitionRun } from "./partition.ts";
import { openLadderStage } from "./stage.ts";

/** For each client: one in twenty is then two and a half a second, and two idle cores do not feel it. */
const RATE_PER_SECOND = 50;
const TIMEOUT_MS = 150;
/** The time-out, and what timers are late by: an answer that needed a second try is not good. */
const GOOD_WITHIN_MS = 175;

export interface LadderHooks {
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @throws the signal's reason when it is broken off. */
export async function measureLadder({ runs, seed, partitionMs }: Omit<LadderOptions, keyof ViewOutputs>, { onProgress, signal }: LadderHooks = {}): Promise<LadderFigures> {
  const plan = { seed, partitionMs, ratePerSecond: RATE_PER_SECOND, timeoutMs: TIMEOUT_MS, goodWithinMs: GOOD_WITHIN_MS, signal };
  onProgress?.("starting PostgreSQL and the stock");
  const databases = await startDatabases({ servers: "single", endpoint: "direct" });
  try {
    const stage = await openLadderStage(databases);
    try {
      const done: PartitionRun[] = [];
      for (let run = 0; run < runs; run += 1) {
        signal?.throwIfAborted();
        onProgress?.(`partition ${run + 1} of ${runs}`);
        done.push(await runPartition(stage, { ...plan, seed: seed + run }));
      }
      return ladderFigures(plan, done);
    } finally {
      await stage.stop();
    }
  } finally {
    await databases.stop();
  }
}
