/** What is measured of a mode, and what is said about it. */
import type { Machine } from "@tripact/testbed";
import type { ModeName } from "../platform/mode-processes.ts";
import type { CellVerdict, RunDuration } from "../results/results.ts";
import type { Versions } from "./versions.ts";

/** Null is "not known here", and never a good sign. The first seven and the four of harm are of the scarce sale, with harm of both sales. */
export interface ModeFigures {
  readonly offered: number;
  readonly accepted: number;
  readonly soldOut: number;
  readonly limited: number;
  readonly paid: number;
  readonly unitsSold: number;
  readonly oversold: number | null;
  readonly lost: number | null;
  readonly duplicated: number | null;
  readonly stuck: number | null;
  readonly gatewayP50Ms: number | null;
  readonly gatewayP99Ms: number | null;
  readonly purchaseP50Ms: number | null;
  readonly purchaseP99Ms: number | null;
  readonly cpuMsPerPurchase: number | null;
  readonly goodputVsNaive: number | null;
  /** Null where the primary was not killed. */
  readonly primaryKilled: PrimaryKilled | null;
}

/** One run of the lab, in its words: the database's primary was killed in mid-sale, and its standby took over. */
export interface PrimaryKilled {
  readonly rtoFirstMs: RunDuration;
  readonly rtoHeadlineMs: RunDuration;
  /** The database's own. */
  readonly outageMs: number | null;
  /** Operations: the RPO. */
  readonly lost: number | null;
  readonly verdict: CellVerdict;
  /** What could not be judged, and why the figures may say little. */
  readonly remarks: readonly string[];
  /** The command that does it again. */
  readonly replay: string;
}

/** What the sales say. */
export type SoldMode = Omit<MeasuredMode, "primaryKilled">;

/** With what the comparison needs. */
export interface MeasuredMode extends Omit<ModeFigures, "goodputVsNaive"> {
  readonly mode: ModeName;
  /** Purchases paid a second in the phase of plenty. */
  readonly goodputPerSecond: number;
  /** A line for each judge that objects, or that could not judge. */
  readonly objections: readonly string[];
}

export type Objections = Readonly<Partial<Record<ModeName, readonly string[]>>>;

export interface Load {
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly units: number;
  readonly plentyPerSecond: number;
  /** While the primary is killed; null where it is not. */
  readonly primaryKilledPerSecond: number | null;
}

export interface Results {
  readonly schema: 2;
  /** Null: everything that was asked for was measured. */
  readonly incomplete: string | null;
  readonly machine: Machine;
  readonly versions: Versions;
  readonly seed: number;
  readonly load: Load;
  readonly modes: Readonly<Partial<Record<ModeName, ModeFigures>>>;
}

/** Each mode's figures, its goodput set against that of `naive` where both were measured. */
export function compared(measured: readonly MeasuredMode[]): Readonly<Partial<Record<ModeName, ModeFigures>>> {
  const naive = measured.find(({ mode }) => mode === "naive")?.goodputPerSecond;
  return Object.fromEntries(
    measured.map(({ mode, goodputPerSecond, objections: _, primaryKilled, ...figures }) => {
      const goodputVsNaive = naive === undefined || naive === 0 ? null : rounded(goodputPerSecond / naive);
      return [mode, { ...figures, goodputVsNaive, primaryKilled }];
    }),
  );
}

export function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

const HARM = ["oversold", "lost", "duplicated", "stuck"] as const;

/** One line for each promise that a guarded mode has not been seen to keep, by figures or by a judge whose figure is not among them. `naive` promises nothing. */
export function brokenPromises(modes: Results["modes"], objections: Objections): readonly string[] {
  return Object.entries(modes).flatMap(([mode, figures]) => {
    if (mode === "naive") return [];
    const harm = HARM.filter((name) => figures[name] !== 0).map((name) => `${mode}: ${name} ${figures[name] ?? "is not known"}`);
    return [...harm, ...(objections[mode as ModeName] ?? []).map((line) => `${mode}: ${line}`)];
  });
}

/** As many modes, begun at another one each time: none has always the cold machine. */
export function rotated<Each>(all: readonly Each[], seed: number): readonly Each[] {
  const first = seed % all.length;
  return [...all.slice(first), ...all.slice(0, first)];
}
