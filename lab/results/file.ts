/** results.json on disk: written whole or not at all, and believed only when it is as its schema says. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { calibrated } from "./calibrated.ts";
import { cellOf } from "./cell.ts";
import { mergedSettings, withoutWhatOneKnows } from "./rates.ts";
import { overviewOf } from "./overview/overview.ts";
import type { Cell, Results } from "./results.ts";
import { laterViews, type Views } from "./views.ts";

export type ResultsErrorCode = "unreadable" | "not-json" | "not-results" | "other-code" | "other-settings" | "other-machine" | "other-kind" | "same-runs";

export class ResultsError extends Error {
  override readonly name = "ResultsError";
  readonly code: ResultsErrorCode;

  constructor(code: ResultsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const SCHEMA = new URL("../../docs/lab-results.schema.json", import.meta.url);
const COMPLAINTS_MAX = 5;
let compiled: ValidateFunction | undefined;

/** @throws {ResultsError} */
export function readResults(path: string): Results {
  const text = textOf(path);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new ResultsError("not-json", `${path} is not JSON, perhaps it was cut off`, { cause });
  }
  return checkedResults(json, path);
}

/** @throws {ResultsError} */
export function checkedResults(json: unknown, from: string): Results {
  compiled ??= new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).compile(JSON.parse(readFileSync(SCHEMA, "utf8")) as object);
  if (compiled(json)) return json as Results;
  const complaints = (compiled.errors ?? []).slice(0, COMPLAINTS_MAX).map(({ instancePath, message }) => `${instancePath} ${message}`);
  throw new ResultsError("not-results", `${from} is not as docs/lab-results.schema.json says: ${complaints.join("; ")}`);
}

/** Beside it first, so that whoever is killed here leaves the old file or the new one. @throws {ResultsError} for what could not be read again */
export function writeResults(results: Results, path: string): void {
  const text = `${JSON.stringify(results, null, 1)}\n`;
  checkedResults(JSON.parse(text), "what should be written");
  const half = `${path}.half`;
  writeFileSync(half, text);
  renameSync(half, path);
}

/** The runs and views of both, if they are of one kind: the same code, settings and machine, quick with quick. @throws {ResultsError} */
export function appendResults(earlier: Results, later: Results): Results {
  refuseUnlike(earlier, later);
  const names = new Map<string, Cell>();
  for (const cell of [...earlier.cells, ...later.cells]) {
    const name = [cell.mode, cell.fault, cell.mechanism].join("\n");
    const before = names.get(name);
    names.set(name, before === undefined ? cell : cellOf(cell, distinct(cell, [...before.records, ...cell.records])));
  }
  const cells = calibrated([...names.values()]);
  const impossible = [...earlier.notPossibleHere, ...later.notPossibleHere];
  const problems = [earlier.incomplete, later.incomplete === null ? null : `${later.run}: ${later.incomplete}`].filter((problem) => problem !== null);
  return {
    ...earlier,
    endedAt: later.endedAt,
    settings: mergedSettings(earlier.settings, later.settings),
    appended: [...earlier.appended, { run: later.run, seed: later.seed, startedAt: later.startedAt, endedAt: later.endedAt }, ...later.appended],
    incomplete: problems.length === 0 ? null : problems.join("; "),
    cells,
    // What was possible in the end was possible.
    notPossibleHere: [...new Map(impossible.map((each) => [each.fault, each])).values()].filter(({ fault }) => !cells.some((cell) => cell.fault === fault)),
    ...overviewOf(cells),
    views: laterViews(earlier.views, later.views),
  };
}

/** With views that were measured by themselves. @throws {ResultsError} where they are of another code or another machine */
export function addViews(results: Results, views: Partial<Views>, { versions, machine }: Pick<Results, "versions" | "machine">): Results {
  refuseOtherCode(results, { run: "the view", versions });
  // Not where its data lay: not every view has a database.
  const hardware = ({ cpu, cores, memoryGb, system }: Results["machine"]): unknown => [cpu, cores, memoryGb, releaseOf(system)];
  if (!isDeepStrictEqual(hardware(results.machine), hardware(machine))) throw new ResultsError("other-machine", `${results.run} was measured on another machine than this: ${said(results.machine)}`);
  return { ...results, views: laterViews(results.views, views) };
}

function said({ cpu, cores, memoryGb, system }: Results["machine"]): string {
  return `${cpu}, ${cores} cores, ${memoryGb} GiB, ${system}`;
}

function refuseOtherCode(earlier: Pick<Results, "run" | "versions">, later: Pick<Results, "run" | "versions">): void {
  for (const { run, versions } of [earlier, later]) {
    if (versions.code === "unknown") throw new ResultsError("other-code", `nobody knows which code ${run} measured, since there was no git to say so: nothing can be added to it, nor it to anything`);
  }
  const names = (Object.keys({ ...earlier.versions, ...later.versions }) as (keyof Results["versions"])[]).filter((name) => earlier.versions[name] !== later.versions[name]);
  if (names.length === 0) return;
  const each = names.map((name) => `${name} ${later.versions[name]} instead of ${earlier.versions[name]}`);
  throw new ResultsError("other-code", `${later.run} measured ${each.join(", ")} in ${earlier.run}: figures of two versions do not add up`);
}

function refuseUnlike(earlier: Results, later: Results): void {
  refuseOtherCode(earlier, later);
  const settings = [withoutWhatOneKnows(earlier.settings, later.settings), withoutWhatOneKnows(later.settings, earlier.settings)] as const;
  if (!isDeepStrictEqual(...settings)) throw new ResultsError("other-settings", `${later.run} and ${earlier.run} differ in the settings: ${differing(...settings).join(", ")}`);
  if (!isSameMachine(earlier.machine, later.machine)) throw new ResultsError("other-machine", `${later.run} and ${earlier.run} were measured on two machines, or with their data in two places: ${said(earlier.machine)}; ${said(later.machine)}`);
  if (earlier.quick !== later.quick) throw new ResultsError("other-kind", "a quick look is not added to a full run, nor the other way round");
}

function isSameMachine(one: Results["machine"], other: Results["machine"]): boolean {
  return isDeepStrictEqual({ ...one, system: releaseOf(one.system) }, { ...other, system: releaseOf(other.system) });
}

/** "Linux 6.18.44" of "Linux 6.18.44-cloud-7": another build of the same kernel is no other machine, and changes under one's feet. */
function releaseOf(system: string): string {
  return system.replace(/-.*$/, "");
}

/** As "lab.units 30 instead of 20". */
function differing(one: Results["settings"], other: Results["settings"]): readonly string[] {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])].flatMap((server) => {
    const [before, after] = [one[server] ?? {}, other[server] ?? {}];
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name]);
    return names.map((name) => `${server}.${name} (${after[name] ?? "none"} instead of ${before[name] ?? "none"})`);
  });
}

/** A run that counts twice makes the median look surer than it is. */
function distinct({ mode, fault }: Cell, records: Cell["records"]): Cell["records"] {
  const runs = new Set(records.map(({ seed, startedAt }) => `${seed} ${startedAt}`));
  if (runs.size < records.length) throw new ResultsError("same-runs", `${mode}, ${fault}: some of the runs are in both results`);
  return records;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new ResultsError("unreadable", `${path} cannot be read`, { cause });
  }
}
