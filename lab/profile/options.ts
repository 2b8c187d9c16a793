import { BadUsage, whole } from "../command-line.ts";
import { MODE_NAMES, type ModeName } from "../platform/mode-processes.ts";
import { OUTPUT_USAGE, optionsOf, type ViewOutputs } from "../views/view.ts";

export interface ProfileOptions extends ViewOutputs {
  readonly mode: ModeName;
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly seed: number;
  /** Empty: nobody has chosen one. */
  readonly folder: string;
}

const FOLDER = ".results/profile";

export const PROFILE_USAGE = `npm run lab -- profile [options]

Profiles the purchase workers while every purchase is declined, and so compensated.

  --mode NAME   ${MODE_NAMES.join(", ")}   (default saga)
  --seconds N   of purchases                      (default 10)
  --rate N      purchases offered a second        (default 40)
  --seed N      of the load                       (default 1)
  --folder DIR  where the .cpuprofile files go    (default ${FOLDER}; with --into, the run's folder)
${OUTPUT_USAGE}
`;

const DEFAULTS = { mode: "saga", seed: "1", seconds: "10", rate: "40", folder: "" } as const;

/** @throws BadUsage with the option's name and what it got. */
export function parseProfile(args: readonly string[]): ProfileOptions {
  const { mode: name, seconds, rate, seed, folder, jsonFile, into } = optionsOf(args, DEFAULTS);
  const mode = MODE_NAMES.find((each) => each === name);
  if (mode === undefined) throw new BadUsage(`--mode is one of ${MODE_NAMES.join(", ")}, got "${name}"`);
  return { mode, seconds: whole("--seconds", seconds, 600), ratePerSecond: whole("--rate", rate, 5_000), seed: whole("--seed", seed, 2 ** 31 - 1), folder, jsonFile, into };
}

/** Where the files go: as was said; beside the run that they belong to; or into the folder for what nobody keeps. */
export function folderOf({ folder }: Pick<ProfileOptions, "folder">, runFolder: string | undefined): string {
  if (folder !== "") return folder;
  return runFolder === undefined ? FOLDER : `${runFolder}/profile`;
}
