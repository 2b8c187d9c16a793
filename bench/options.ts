import { parseArgs } from "node:util";
import type { SoakPlan } from "./soak/soak.ts";

/** How to measure. */
export interface BenchPlan {
  jsonFile: string | undefined;
  /** Levels of load, ascending or not, as asked for. */
  inFlight: number[];
  measureMs: number;
  rounds: number;
}

/** What the command line asks for. */
export type BenchCommand =
  | { kind: "help" }
  | { kind: "journal" | "peers" | "outbox"; install: boolean; plan: BenchPlan }
  | { kind: "gateway"; plan: BenchPlan }
  | { kind: "soak"; plan: SoakPlan };

export class BadUsage extends Error {
  readonly code = "BAD_USAGE";
}

export const usage = `npm run bench -- journal | outbox | gateway | peers | soak  [options]

  journal   three-step sagas a second, against a commit per transition, plain commits,
            and DBOS and Restate where they are installed
  outbox    messages a second and milliseconds from the producer's commit to the consumer's, against
            graphile-worker and pg-boss where they are installed
  gateway   what a sold-out answer costs the flash sale's gateway, against an empty handler
  peers     DBOS and Restate alone; installs all peers first
  soak      the outbox for minutes under a held snapshot and an idle writer: latency and sizes over time

  --json FILE          write the results there as well
  --in-flight LIST     levels of load, not for outbox     (default 50,500,2000)
  --seconds N          length of each measurement         (default 4)
  --rounds N           interleaved rounds, medians taken  (default 3)
  --quick              1 s, one round, 50 and 500 in flight: a smoke test, no figures to quote
  --install            install the peers first
  --minutes N          soak: how long                     (default 10)
  --rate N             soak: messages a second            (default 1000)
`;

/** Decodes the command line (without node and script). Throws `BadUsage` with the option's name. */
export function parseCommand(args: string[]): BenchCommand {
  const { values, positionals } = parse(args);
  const [command, ...rest] = positionals;
  if (values.help === true || command === undefined) return { kind: "help" };
  if (command === "soak" && rest.length === 0) {
    return { kind: "soak", plan: { jsonFile: values.json, minutes: positive("--minutes", values.minutes ?? "10", 600), perSecond: positive("--rate", values.rate ?? "1000", 100_000) } };
  }
  if (command !== "journal" && command !== "peers" && command !== "outbox" && command !== "gateway") throw new BadUsage(`no such bench: ${command}`);
  if (rest.length > 0) throw new BadUsage(`one bench at a time: ${rest.join(" ")}`);
  if (command !== "journal" && command !== "peers" && values["in-flight"] !== undefined) throw new BadUsage(`--in-flight is not for ${command}: its cases have their own load`);
  const quick = values.quick === true;
  const plan: BenchPlan = {
    jsonFile: values.json,
    inFlight: levelsOf(values["in-flight"] ?? (quick ? "50,500" : "50,500,2000")),
    measureMs: 1000 * positive("--seconds", values.seconds ?? (quick ? "1" : "4"), 600),
    rounds: positive("--rounds", values.rounds ?? (quick ? "1" : "3"), 100),
  };
  return command === "gateway" ? { kind: command, plan } : { kind: command, install: command === "peers" || values.install === true, plan };
}

/** Decodes a list of levels, such as "50,500". */
export function levelsOf(text: string): number[] {
  return text.split(",").map((level) => positive("--in-flight", level, 10_000));
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        json: { type: "string" },
        "in-flight": { type: "string" },
        seconds: { type: "string" },
        rounds: { type: "string" },
        quick: { type: "boolean" },
        install: { type: "boolean" },
        minutes: { type: "string" },
        rate: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new BadUsage(error instanceof Error ? error.message : String(error));
  }
}

function positive(option: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) throw new BadUsage(`${option} needs whole numbers from 1 to ${most}, got "${text}"`);
  return value;
}
