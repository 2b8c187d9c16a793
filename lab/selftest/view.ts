import { BadUsage } from "../command-line.ts";
import type { SelftestView } from "../results/views.ts";
import { OUTPUT_USAGE, optionsOf, type View } from "../views/view.ts";
import { isFailure, selftest, SelftestError, type DetectionRow } from "./selftest.ts";
import { detectionHead, detectionLines, summary } from "./table.ts";
import type { Variant } from "./variant.ts";
import { VARIANTS } from "./variants.ts";

/** The shyest variant shows in two runs of five. */
const DEFAULTS = { seeds: "20", seed: "1" } as const;

const usage = `npm run lab -- selftest [options]

Are the judges awake? Each way to build it wrong must be objected to, and its right twin must not.

  --seeds N     how many seeds are tried (default ${DEFAULTS.seeds})
  --seed N      the first of them (default ${DEFAULTS.seed})
${OUTPUT_USAGE}
`;

/** Fails where a broken variant was missed or a right one objected to. */
export function selftestViewOf(variants: readonly Variant[]): View {
  return {
    name: "selftest",
    usage,
    quickArgs: ["--seeds", "3"],
    prepare(args) {
      const { seed: first, seeds: howMany, jsonFile, into } = optionsOf(args, DEFAULTS);
      const [seed, seeds] = [numberOf("--seed", first), numberOf("--seeds", howMany)];
      return {
        jsonFile,
        into,
        async measure({ onProgress, print, signal }) {
          print(detectionHead());
          const onRow = (row: DetectionRow): void => {
            onProgress(`the selftest, after ${row.variant}`);
            print(detectionLines(row));
          };
          const rows = await selftest({ seed, seeds, variants, onRow, signal }).catch((error: unknown) => {
            throw error instanceof SelftestError && error.code === "invalid-input" ? new BadUsage(error.message, { cause: error }) : error;
          });
          return { text: `\n${summary(rows)}`, figures: rows, part: { selftest: partOf(rows, { seed, seeds }, new Date()) }, failed: rows.some(isFailure) };
        },
      };
    },
  };
}

export const selftestView: View = selftestViewOf(VARIANTS);

function numberOf(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new BadUsage(`${option} needs a whole number, got "${text}"`);
  return Number(text);
}

export function partOf(rows: readonly DetectionRow[], { seed, seeds }: { readonly seed: number; readonly seeds: number }, now: Date): SelftestView {
  return {
    measuredAt: now.toISOString(), seed, seeds,
    detection: rows.map(({ variant, wrong, objected, seedsUntilCaught, rightRuns, rightObjections }) => ({ variant, wrong, caught: seedsUntilCaught !== null, by: objected, seedsUntilCaught, rightRuns, rightObjections })),
  };
}
