/** What a profile run says, for people. */
import { percentile } from "../measures/statistics.ts";
import { summaryOfProfiles, type ProfileSummary, type TimedProfile } from "./cpu-profile.ts";

export interface Probed {
  /** When the profiler was started. */
  readonly startedMs: number;
  readonly pauses: readonly { readonly atMs: number; readonly ms: number }[];
  readonly samples: readonly { readonly atMs: number; readonly loopMaxMs: number; readonly allocatedBytes: number; readonly heapBytes: number }[];
}

/** From the order's placing to its end as declined. Unix time. */
export interface Compensated {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Spike extends Compensated {
  readonly ms: number;
  /** Of all workers, within it. */
  readonly gcMs: number;
  readonly loopMaxMs: number;
}

export interface ProfileFigures {
  readonly schema: 1;
  readonly seed: number;
  readonly mode: string;
  readonly compensations: number;
  readonly latencyMs: { readonly p50: number | null; readonly p99: number | null; readonly max: number | null };
  readonly gc: { readonly pauses: number; readonly totalMs: number; readonly maxMs: number };
  readonly loopMaxMs: number;
  /** All that was allocated while purchases ran, over their number; null where Node does not count it. */
  readonly allocatedBytesEach: number | null;
  readonly slowest: readonly Spike[];
  readonly cpu: ProfileSummary;
  readonly files: readonly string[];
}

const SLOWEST = 10;
const LINES = 30;
const SAMPLE_MS = 100;

export function profileFigures({ seed, mode, compensated, probed, profiles, files }: Pick<ProfileFigures, "seed" | "mode" | "files"> & { readonly compensated: readonly Compensated[]; readonly probed: readonly Probed[]; readonly profiles: readonly TimedProfile[] }): ProfileFigures {
  const sorted = compensated.map(({ fromMs, toMs }) => toMs - fromMs).toSorted((one, other) => one - other);
  const during = { fromMs: Math.min(...compensated.map(({ fromMs }) => fromMs)), toMs: Math.max(...compensated.map(({ toMs }) => toMs)) };
  const pauses = probed.flatMap((one) => one.pauses).filter(({ atMs }) => atMs >= during.fromMs && atMs <= during.toMs);
  const samples = probed.flatMap((one) => one.samples).filter(({ atMs }) => atMs >= during.fromMs && atMs <= during.toMs + SAMPLE_MS);
  const allocated = probed.reduce((sum, one) => sum + allocatedIn(one, during), 0);
  const slowest = compensated.map((one) => spikeOf(one, probed)).toSorted((one, other) => other.ms - one.ms).slice(0, SLOWEST);
  return {
    schema: 1, seed, mode, files,
    compensations: compensated.length,
    latencyMs: { p50: percentile(sorted, 0.5) ?? null, p99: percentile(sorted, 0.99) ?? null, max: sorted.at(-1) ?? null },
    gc: { pauses: pauses.length, totalMs: pauses.reduce((sum, { ms }) => sum + ms, 0), maxMs: most(pauses.map(({ ms }) => ms)) },
    loopMaxMs: most(samples.map(({ loopMaxMs }) => loopMaxMs)),
    allocatedBytesEach: compensated.length === 0 || allocated === 0 ? null : allocated / compensated.length,
    slowest,
    cpu: summaryOfProfiles(profiles, during),
  };
}

function allocatedIn({ samples }: Probed, { fromMs, toMs }: Compensated): number {
  const first = samples.findLast(({ atMs }) => atMs <= fromMs) ?? samples[0];
  const last = samples.find(({ atMs }) => atMs >= toMs) ?? samples.at(-1);
  return (last?.allocatedBytes ?? 0) - (first?.allocatedBytes ?? 0);
}

function spikeOf({ fromMs, toMs }: Compensated, probed: readonly Probed[]): Spike {
  const within = probed.flatMap(({ pauses }) => pauses).filter(({ atMs, ms }) => atMs < toMs && atMs + ms > fromMs);
  // A sample tells of the time before it.
  const samples = probed.flatMap((one) => one.samples).filter(({ atMs }) => atMs >= fromMs && atMs <= toMs + SAMPLE_MS);
  return { fromMs, toMs, ms: toMs - fromMs, gcMs: within.reduce((sum, { ms }) => sum + ms, 0), loopMaxMs: most(samples.map(({ loopMaxMs }) => loopMaxMs)) };
}

function most(values: readonly number[]): number {
  return values.reduce((max, value) => Math.max(max, value), 0);
}

export function profileText({ compensations, mode, seed, latencyMs, gc, loopMaxMs, allocatedBytesEach, slowest, cpu, files }: ProfileFigures): string {
  const ms = (value: number | null): string => (value === null ? "?" : value.toFixed(1));
  const times = (all: ProfileSummary["functions"]): string[] => all.slice(0, LINES).map(({ name, ms: own, share }) => `  ${own.toFixed(1).padStart(9)} ms ${(100 * share).toFixed(1).padStart(5)} %  ${name}`);
  return [
    `${compensations} compensations in mode ${mode}, seed ${seed}: p50 ${ms(latencyMs.p50)}, p99 ${ms(latencyMs.p99)}, max ${ms(latencyMs.max)} ms from placed to declined`,
    `allocated per compensation: ${allocatedBytesEach === null ? "?" : `${(allocatedBytesEach / 1_024).toFixed(0)} KiB`} (everything that the workers did meanwhile)`,
    `garbage collection: ${gc.pauses} pauses, ${gc.totalMs.toFixed(1)} ms in all, longest ${gc.maxMs.toFixed(2)} ms; longest event-loop delay ${loopMaxMs.toFixed(1)} ms`,
    "", "The slowest, and what the workers did meanwhile:",
    ...slowest.map((one) => `  ${one.ms.toFixed(1).padStart(9)} ms  GC ${one.gcMs.toFixed(2).padStart(7)} ms  event loop ${one.loopMaxMs.toFixed(1).padStart(7)} ms`),
    "", `Own time by files (${cpu.busyMs.toFixed(0)} ms busy, ${cpu.idleMs.toFixed(0)} ms idle):`, ...times(cpu.groups),
    "", "Own time by function:", ...times(cpu.functions),
    "", ...files,
  ].join("\n");
}
