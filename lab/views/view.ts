/** A view is something that the lab measures by itself, beside its runs: the ladder, the write-ahead log, the profile, the selftest. */
import { parseArgs } from "node:util";
import { BadUsage, fileOf } from "../command-line.ts";
import type { ViewName, Views } from "../results/views.ts";

export interface ViewHooks {
  /** What goes on. */
  readonly onProgress: (text: string) => void;
  /** Something for the standard output before all is over. */
  readonly print: (text: string) => void;
  readonly signal: AbortSignal;
  /** Where files of its own go, if it has any. */
  readonly folder: string | undefined;
}

export interface Viewed {
  /** For a person. */
  readonly text: string;
  /** What `--json` writes. */
  readonly figures: unknown;
  /** Its part of results.json. */
  readonly part: Partial<Views>;
  /** What it was to show is not so. */
  readonly failed: boolean;
}

export interface View {
  readonly name: ViewName;
  readonly usage: string;
  /** Few and short, for a quick look that takes seconds; null: it cannot be had in seconds. */
  readonly quickArgs: readonly string[] | null;
  /** @throws BadUsage with the option's name and what it got. Nothing has been started. */
  prepare(args: readonly string[]): Prepared;
}

export interface Prepared extends ViewOutputs {
  /** @throws the signal's reason when it is broken off */
  measure(hooks: ViewHooks): Promise<Viewed>;
}

export interface ViewOutputs {
  readonly jsonFile: string | undefined;
  /** The run to whose results it is added. */
  readonly into: string | undefined;
}

export const OUTPUT_USAGE = `  --json FILE   write the figures there as well
  --into RUN    make them part of that run's results.json and report.html, in the place of earlier ones; refused where
                the run was of another code or another machine
  --help        this text`;

/** @throws BadUsage for what is not among the options */
export function optionsOf<Defaults extends Readonly<Record<string, string>>>(args: readonly string[], defaults: Defaults): Record<keyof Defaults, string> & ViewOutputs {
  const { json, into, ...values } = parsed(args, [...Object.keys(defaults), "json", "into"]);
  if (into === "") throw new BadUsage("--into needs the name of a run");
  return { ...defaults, ...values, jsonFile: fileOf(json), into };
}

function parsed(args: readonly string[], names: readonly string[]): Partial<Record<string, string>> {
  try {
    const { values } = parseArgs({ args: [...args], options: Object.fromEntries(names.map((name) => [name, { type: "string" } as const])) });
    return Object.fromEntries(Object.entries(values).filter((each): each is [string, string] => typeof each[1] === "string"));
  } catch (error) {
    throw new BadUsage(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
