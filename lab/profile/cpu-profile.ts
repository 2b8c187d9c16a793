/** From a `.cpuprofile` to the time that each function took by itself. */
import type { Interval } from "../measures/recovery.ts";

export interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number } }[];
  readonly samples?: readonly number[];
  /** Before each sample, in µs. */
  readonly timeDeltas?: readonly number[];
}

/** One worker's, with the Unix time of its first moment. */
export interface TimedProfile {
  readonly startedMs: number;
  readonly profile: CpuProfile;
}

export interface OwnTime {
  readonly name: string;
  readonly ms: number;
  /** Of the time in which the processor was not idle. */
  readonly share: number;
}

export interface ProfileSummary {
  readonly busyMs: number;
  readonly idleMs: number;
  readonly functions: readonly OwnTime[];
  readonly groups: readonly OwnTime[];
}

const FUNCTIONS_MAX = 30;
const IDLE = "(idle)";

/** @param during of what matters: a process that starts spends seconds on reading its files */
export function summaryOfProfiles(profiles: readonly TimedProfile[], during: Interval): ProfileSummary {
  const byFunction = new Map<string, number>();
  const byGroup = new Map<string, number>();
  let [busyMs, idleMs] = [0, 0];
  for (const { startedMs, profile: { nodes, samples = [], timeDeltas = [] } } of profiles) {
    let atMs = startedMs;
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    for (const [index, id] of samples.entries()) {
      const frame = frames.get(id);
      const deltaMs = (timeDeltas[index] ?? 0) / 1_000;
      // Deltas may be negative: samples are not quite in their order.
      atMs += deltaMs;
      const ms = Math.max(0, deltaMs);
      if (frame === undefined || atMs < during.fromMs || atMs >= during.toMs) continue;
      if (frame.functionName === IDLE) {
        idleMs += ms;
        continue;
      }
      busyMs += ms;
      const { functionName, url, lineNumber } = frame;
      const place = placeOf(url);
      const name = url === "" ? functionName : `${functionName === "" ? "(anonymous)" : functionName} ${place}:${lineNumber + 1}`;
      byFunction.set(name, (byFunction.get(name) ?? 0) + ms);
      const group = groupOf(url === "" ? functionName : place);
      byGroup.set(group, (byGroup.get(group) ?? 0) + ms);
    }
  }
  const sorted = (times: ReadonlyMap<string, number>): OwnTime[] => [...times].map(([name, ms]) => ({ name, ms, share: ms / busyMs })).toSorted((one, other) => other.ms - one.ms);
  return { busyMs, idleMs, functions: sorted(byFunction).slice(0, FUNCTIONS_MAX), groups: sorted(byGroup) };
}

const ROOT = new URL("../../", import.meta.url).href;

function placeOf(url: string): string {
  return url.startsWith(ROOT) ? url.slice(ROOT.length) : url;
}

/** A package, two folders of this repository, Node itself, or what V8 calls by a name in brackets. */
export function groupOf(place: string): string {
  if (place.startsWith("(")) return place;
  if (place.startsWith("node:")) return "node";
  const inPackage = /(?:^|.*\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(place);
  if (inPackage !== null) return `npm ${inPackage[1] ?? ""}`;
  if (place.includes("://")) return "elsewhere";
  return place.split("/").slice(0, -1).slice(0, 3).join("/") || "native";
}
