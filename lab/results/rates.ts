/** The settings that are told mode by mode. Results that know different modes have no quarrel: only what both know has to be the same. */
import type { Results } from "./results.ts";

export const OFFERED = "offered purchases a second";
/** Beside the modes: what is offered to each of them alike, where a fault says so. */
export const BUSY = "busy, to every mode";
export const SOLD = "carried purchases a second";

type Settings = Results["settings"];

/** What both say, with what only one of them says. */
export function mergedSettings(earlier: Settings, later: Settings): Settings {
  const both = [OFFERED, SOLD].filter((name) => earlier[name] !== undefined || later[name] !== undefined);
  return { ...earlier, ...Object.fromEntries(both.map((name) => [name, { ...earlier[name], ...later[name] }])) };
}

/** Two that say the same of what both speak of. */
export function withoutWhatOneKnows(one: Settings, other: Settings): Settings {
  const shared = (name: string): Settings[string] => Object.fromEntries(Object.entries(one[name] ?? {}).filter(([mode]) => other[name]?.[mode] !== undefined));
  return { ...one, [OFFERED]: shared(OFFERED), [SOLD]: shared(SOLD) };
}
