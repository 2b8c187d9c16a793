import { parseArgs } from "node:util";
import { BadUsage, fileOf, whole } from "../command-line.ts";
import { MODE_NAMES, type ModeName } from "../platform/mode-processes.ts";

/** What to measure, and what to do afterwards. */
export interface StartPlan {
  /** Exits after the table; otherwise the shop stays open. */
  readonly once: boolean;
  /** The only one to run, and to stay open in. */
  readonly mode: ModeName | undefined;
  /** Of each of the two phases of a mode. */
  readonly seconds: number;
  readonly ratePerSecond: number;
  readonly units: number;
  readonly jsonFile: string | undefined;
  readonly port: number;
  readonly seed: number;
  /** Kills the database's primary once in each mode. */
  readonly kill: boolean;
  readonly verbose: boolean;
}

export type StartCommand = { readonly kind: "help" } | { readonly kind: "start"; readonly plan: StartPlan };

export const usage = `npm start -- [options]

Brings up the flash sale and offers it more than it can sell in each of five modes; then kills the database's primary
in mid-sale, once a mode, and measures what came back and what was lost; checks the books and prints one table. Takes
6 minutes or so on two cores. Then the shop stays open, with its page, until Ctrl-C.

  --once          end after the table
  --mode NAME     only this one: ${MODE_NAMES.join(", ")}
  --seconds N     length of each of a mode's two phases    (default 8; 20 for figures to quote)
  --rate N        purchases offered a second               (default 5000)
  --units N       units on sale                            (default 1000)
  --json FILE     write the figures there as well; docs/start.schema.json describes them
  --port N        where the gateway and its page listen    (default 8080)
  --seed N        of the order of the modes and the load   (default: drawn, and printed)
  --no-kill       nothing is killed: no RTO and no RPO in the table, and about half the time
  --verbose       pass on what the services print
  --help          this text

Ends with 0; 1 when it could not run, or not all of it; 2 when an option is wrong; 3 when a mode other than naive oversold, lost,
duplicated or left something stuck; 130 after Ctrl-C in mid-run, with what was measured until then, marked incomplete. A second
Ctrl-C kills everything at once. More faults, more runs, and the curves of one: npm run lab.
`;

/** @param drawnSeed taken when the command line names none. Throws `BadUsage` with the option's name and what it got. */
export function parseCommand(args: readonly string[], drawnSeed: number): StartCommand {
  const values = parse(args);
  if (values.help === true) return { kind: "help" };
  return {
    kind: "start",
    plan: {
      once: values.once === true,
      mode: values.mode === undefined ? undefined : modeOf(values.mode),
      seconds: whole("--seconds", values.seconds ?? "8", 600),
      ratePerSecond: whole("--rate", values.rate ?? "5000", 50_000),
      units: whole("--units", values.units ?? "1000", 1_000_000),
      jsonFile: fileOf(values.json),
      port: whole("--port", values.port ?? "8080", 65_535),
      seed: values.seed === undefined ? drawnSeed : whole("--seed", values.seed, 2 ** 31 - 1),
      kill: values["no-kill"] !== true,
      verbose: values.verbose === true,
    },
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        once: { type: "boolean" },
        mode: { type: "string" },
        seconds: { type: "string" },
        rate: { type: "string" },
        units: { type: "string" },
        json: { type: "string" },
        port: { type: "string" },
        seed: { type: "string" },
        "no-kill": { type: "boolean" },
        verbose: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    throw new BadUsage(error instanceof Error ? error.message : String(error));
  }
}

function modeOf(text: string): ModeName {
  const mode = MODE_NAMES.find((name) => name === text);
  if (mode === undefined) throw new BadUsage(`--mode is one of ${MODE_NAMES.join(", ")}, got "${text}"`);
  return mode;
}
