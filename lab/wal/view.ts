import type { Delays, WalView } from "../results/views.ts";
import type { View } from "../views/view.ts";
import { walText, type Delays as Measured, type WalFigures } from "./figures.ts";
import { parseWal, WAL_USAGE } from "./options.ts";
import { measureWal } from "./wal.ts";

export const walView: View = {
  name: "wal",
  usage: WAL_USAGE,
  quickArgs: null,
  prepare(args) {
    const { jsonFile, into, ...options } = parseWal(args);
    return {
      jsonFile,
      into,
      async measure({ onProgress, signal }) {
        const figures = await measureWal(options, { onProgress, signal });
        return { text: walText(figures), figures, part: { wal: partOf(figures, new Date()) }, failed: false };
      },
    };
  },
};

export function partOf({ seed, ratePerSecond, seconds, sent, missing, unseen, notStreamed, phases }: WalFigures, now: Date): WalView {
  const written = ({ n, p50, p95, p99, max, histogram }: Measured): Delays => ({ n, p50Ms: p50, p95Ms: p95, p99Ms: p99, maxMs: max, histogram });
  return {
    measuredAt: now.toISOString(), seed, ratePerSecond, seconds, sent, missing, unseen, notStreamed,
    phases: phases.map(({ phase, applied, committed }) => ({ phase, applied: written(applied), committed: written(committed) })),
  };
}
