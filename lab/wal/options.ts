import { whole } from "../command-line.ts";
import { OUTPUT_USAGE, optionsOf, type ViewOutputs } from "../views/view.ts";

export interface WalOptions extends ViewOutputs {
  /** Of each phase. */
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly seed: number;
}

export const WAL_USAGE = `npm run lab -- wal [options]

Reads the outboxes from the databases' write-ahead log and tells how long messages took, healthy and with a relay killed.

  --seconds N   length of each of the three phases, the first of which warms up   (default 8)
  --rate N      purchases offered a second        (default 20)
  --seed N      of the load                       (default 1)
${OUTPUT_USAGE}
`;

const DEFAULTS = { seconds: "8", rate: "20", seed: "1" } as const;

/** @throws BadUsage with the option's name and what it got. */
export function parseWal(args: readonly string[]): WalOptions {
  const { seconds, rate, seed, jsonFile, into } = optionsOf(args, DEFAULTS);
  return { seconds: whole("--seconds", seconds, 600), ratePerSecond: whole("--rate", rate, 5_000), seed: whole("--seed", seed, 2 ** 31 - 1), jsonFile, into };
}
