import { parseArgs } from "node:util";
import { BadUsage, fileOf, whole } from "../../command-line.ts";
import { FAULTS, faultNamed } from "../../faults/all.ts";
import type { Fault } from "../../faults/fault.ts";
import { MODE_NAMES, type ModeName } from "../../platform/mode-processes.ts";
import { VIEW_NAMES, type ViewName } from "../../results/views.ts";
import { runName } from "../keeping/folder.ts";

export type PerMode = Readonly<Partial<Record<ModeName, number>>>;

export interface LabPlan {
  readonly modes: readonly ModeName[];
  readonly faults: readonly Fault[];
  /** Of each mode under each fault. */
  readonly runs: number;
  /** Purchases offered a second; modes that are left out are measured first. */
  readonly rates: PerMode;
  /** Under `busy`, to every mode; undefined: a share of what naive sells. */
  readonly busyRate: number | undefined;
  readonly units: number;
  readonly seed: number;
  readonly quick: boolean;
  /** Measured at the end, in this order. */
  readonly views: readonly ViewName[];
  readonly jsonFile: string | undefined;
  /** An earlier run, to whose results these are added. */
  readonly append: string | undefined;
}

export type LabCommand =
  | { readonly kind: "help" }
  | { readonly kind: "run"; readonly plan: LabPlan }
  /** With the options that it was started with, as they were said. */
  | { readonly kind: "replay"; readonly run: string };

/** Naive last: whoever watches wants to see first what is promised. */
const MODES_BY_DEFAULT: readonly ModeName[] = [...MODE_NAMES.filter((mode) => mode !== "naive"), "naive"];
/** The control first: what counts as recovered is measured there. */
const QUICK_FAULTS = ["none", "coordinator-killed", "partition", "primary-killed"];
const QUICK_RATE = 30;
const RATE_MOST = 10_000;
/** The word for "half of what the mode can sell here". */
const HALF = "half";
/** Those that take seconds. */
const QUICK_VIEWS: readonly ViewName[] = ["selftest", "profile"];
const NO_VIEW = "none";
const RUNS = 3;
const UNITS = 100_000;

export const usage = `npm run lab -- [options]
npm run lab -- replay RUN
npm run lab -- report RUN
npm run lab -- selftest | ladder | wal | profile | list-append      each with a --help of its own

Breaks the flash sale while buyers keep coming, and measures how long it takes to come back and what went wrong.
Leaves lab/results/RUN/ with results.json, report.html and a history of each run; broken off, with what was measured until then.

  --modes A,B     of ${MODE_NAMES.join(", ")}   (default: all)
  --faults A,B    of ${inLines(FAULTS.map(({ name }) => name), 60).join("\n                     ")}
                                                        (default: all)
                  those that lose packets take root on Linux, and run in a network namespace; nft is installed on Debian
  --runs N        of each mode under each fault         (default ${RUNS}; 1 with --quick)
  --rate N|${HALF}   purchases offered a second: a number for all modes, one for some
                  (saga=40,tcc=30), or ${HALF} of what a mode can sell here, which is
                  measured first                        (default ${HALF}; ${QUICK_RATE} with --quick)
  --busy-rate N   the same under busy, for every mode   (default: 0.7 of what naive sells)
  --units N       units on sale in each run             (default ${UNITS})
  --seed N        of moments, victims, load and order   (default: drawn, and printed)
  --quick         one platform a mode, short looks, no p95; the faults by default are
                  ${QUICK_FAULTS.join(", ")}
  --views A,B     what else is looked at in the end, of ${VIEW_NAMES.join(", ")}, or ${NO_VIEW}
                                                        (default: all; ${QUICK_VIEWS.join(", ")} with --quick)
  --json FILE     write the results there as well
  --append RUN    add cells, rounds and views to the results of an earlier run, whose report is drawn anew; refused where code,
                  versions, settings, machine or --quick are not the same. Rate and units are settings; other modes, faults,
                  seeds and more --runs are not
  --help          this text
  replay RUN      an earlier run once more, with its seed and schedule
  report RUN      draws its report.html anew
  selftest, ladder, wal, profile
                  a view by itself; with --into RUN it becomes part of that run's results and report

Ends with 0; 1 when it could not run, or the selftest found the judges asleep; 2 when an option is wrong; 3 when a mode other than
naive broke a promise or could not be judged; 130 after Ctrl-C, with what was measured until then, marked incomplete.
`;

/** Names with commas, as many a line as there is room for. */
function inLines(names: readonly string[], widthMax: number): readonly string[] {
  const lines: string[] = [];
  for (const [index, name] of names.entries()) {
    const said = index === names.length - 1 ? name : `${name},`;
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + said.length > widthMax) lines.push(said);
    else lines[lines.length - 1] = `${last} ${said}`;
  }
  return lines;
}

/** @param drawnSeed taken when the command line names none. @throws BadUsage with the option's name and what it got */
export function parseCommand(args: readonly string[], drawnSeed: number): LabCommand {
  const { values, positionals } = parse(args);
  if (values.help === true) return { kind: "help" };
  if (positionals.length > 0) return replayOf(positionals, Object.keys(values));
  const quick = values.quick === true;
  return {
    kind: "run",
    plan: {
      modes: values.modes === undefined ? MODES_BY_DEFAULT : listOf("--modes", values.modes, MODE_NAMES).flatMap((name) => MODE_NAMES.find((mode) => mode === name) ?? []),
      faults: values.faults === undefined ? FAULTS.filter(({ name }) => !quick || QUICK_FAULTS.includes(name)) : listOf("--faults", values.faults, FAULTS.map(({ name }) => name)).flatMap((name) => faultNamed(name) ?? []),
      runs: values.runs === undefined ? (quick ? 1 : RUNS) : whole("--runs", values.runs, 1_000),
      rates: ratesOf(values.rate ?? (quick ? String(QUICK_RATE) : HALF)),
      busyRate: values["busy-rate"] === undefined ? undefined : whole("--busy-rate", values["busy-rate"], RATE_MOST),
      units: whole("--units", values.units ?? String(UNITS), 1_000_000),
      seed: values.seed === undefined ? drawnSeed : whole("--seed", values.seed, 2 ** 31 - 1),
      quick,
      views: viewsOf(values.views, quick),
      jsonFile: fileOf(values.json),
      append: values.append === undefined ? undefined : runName("--append", values.append),
    },
  };
}

/** The command line that does the same again: of all of it, or of one cell. */
export function argsOf({ modes, faults, runs, rates, busyRate, units, seed, quick, views }: LabPlan): readonly string[] {
  return [
    "--modes", modes.join(","), "--faults", faults.map(({ name }) => name).join(","), "--runs", String(runs), "--rate", rateText(modes, rates),
    ...(busyRate === undefined ? [] : ["--busy-rate", String(busyRate)]), "--units", String(units), "--seed", String(seed), ...(quick ? ["--quick"] : []), "--views", views.length === 0 ? NO_VIEW : views.join(","),
  ];
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        modes: { type: "string" },
        faults: { type: "string" },
        runs: { type: "string" },
        rate: { type: "string" },
        "busy-rate": { type: "string" },
        units: { type: "string" },
        seed: { type: "string" },
        quick: { type: "boolean" },
        views: { type: "string" },
        json: { type: "string" },
        append: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new BadUsage(error instanceof Error ? error.message : String(error));
  }
}

function replayOf([verb, run, ...more]: readonly string[], options: readonly string[]): LabCommand {
  if (verb !== "replay") throw new BadUsage(`there is no "${verb}"; what can be asked for is "replay RUN"`);
  if (run === undefined || more.length > 0 || options.length > 0) throw new BadUsage("replay takes the name of one run and no options: they are that run's");
  return { kind: "replay", run: runName("replay", run) };
}

function viewsOf(text: string | undefined, quick: boolean): readonly ViewName[] {
  if (text === undefined) return quick ? QUICK_VIEWS : VIEW_NAMES;
  if (text === NO_VIEW) return [];
  return listOf("--views", text, VIEW_NAMES).flatMap((name) => VIEW_NAMES.find((view) => view === name) ?? []);
}

function listOf(option: string, text: string, known: readonly string[]): readonly string[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()))];
  const strange = names.find((name) => !known.includes(name));
  if (strange !== undefined) throw new BadUsage(`${option} are of ${known.join(", ")}, got "${strange}"`);
  return names;
}

function ratesOf(text: string): PerMode {
  if (text === HALF) return {};
  if (!text.includes("=")) return Object.fromEntries(MODE_NAMES.map((mode) => [mode, whole("--rate", text, RATE_MOST)]));
  const pairs = text.split(",").map((pair) => pair.split("="));
  return Object.fromEntries(
    pairs.map(([name = "", rate = ""]) => {
      if (!MODE_NAMES.some((mode) => mode === name)) throw new BadUsage(`--rate names modes of ${MODE_NAMES.join(", ")}, got "${name}"`);
      return [name, whole(`--rate ${name}=`, rate, RATE_MOST)];
    }),
  );
}

/** Of the modes that are run; a rate that nobody sells at is no part of doing it again. */
function rateText(modes: readonly ModeName[], rates: PerMode): string {
  const named = modes.flatMap((mode) => (rates[mode] === undefined ? [] : [`${mode}=${rates[mode]}`]));
  return named.length === 0 ? HALF : named.join(",");
}
