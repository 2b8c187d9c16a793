import { durationsOf, durationOf } from "../results/cell.ts";
import type { DurationSummary } from "../results/results.ts";
import type { LadderView } from "../results/views.ts";
import type { Summary } from "../measures/statistics.ts";
import type { View } from "../views/view.ts";
import { ladderTable, TITLES, type LadderFigures } from "./figures.ts";
import { measureLadder } from "./ladder.ts";
import { LADDER_USAGE, parseLadder } from "./options.ts";

export const ladderView: View = {
  name: "ladder",
  usage: LADDER_USAGE,
  quickArgs: null,
  prepare(args) {
    const { jsonFile, into, ...options } = parseLadder(args);
    return {
      jsonFile,
      into,
      async measure({ onProgress, signal }) {
        const figures = await measureLadder(options, { onProgress, signal });
        return { text: ladderTable(figures), figures, part: { ladder: partOf(figures, new Date()) }, failed: false };
      },
    };
  },
};

export function partOf({ seed, partitionsMs, settings, rungs }: LadderFigures, now: Date): LadderView {
  return {
    measuredAt: now.toISOString(),
    seed,
    partitionsMs,
    timeoutMs: settings.timeoutMs,
    goodWithinMs: settings.goodWithinMs,
    rungs: rungs.map(({ rung, rto, afterHealMs, goodDuring, oldestMs, source, targetMs }) => ({ policy: TITLES[rung], rtoMs: written(rto), afterHealMs, goodDuring, oldestMs, source, targetMs })),
  };
}

function written({ all }: Summary): DurationSummary {
  return durationsOf(all.map(durationOf));
}
