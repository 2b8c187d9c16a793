import { whole } from "../command-line.ts";
import { OUTPUT_USAGE, optionsOf, type ViewOutputs } from "../views/view.ts";

export interface LadderOptions extends ViewOutputs {
  readonly runs: number;
  readonly seed: number;
  readonly partitionMs: number;
}

export const LADDER_USAGE = `npm run lab -- ladder [options]

Cuts the wire to the stock and measures how long four kinds of clients are without good answers.

  --runs N           partitions                                (default 5)
  --seed N           of their moments and lengths              (default 1)
  --partition-ms N   how long each lasts, within a tenth       (default 10000; above 120000 to compare with the source)
${OUTPUT_USAGE}
`;

const DEFAULTS = { runs: "5", seed: "1", "partition-ms": "10000" } as const;

/** @throws BadUsage with the option's name and what it got. */
export function parseLadder(args: readonly string[]): LadderOptions {
  const { runs, seed, "partition-ms": partitionMs, jsonFile, into } = optionsOf(args, DEFAULTS);
  return { runs: whole("--runs", runs, 1_000), seed: whole("--seed", seed, 2 ** 31 - 1), partitionMs: whole("--partition-ms", partitionMs, 600_000), jsonFile, into };
}
