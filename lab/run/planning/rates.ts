/** At how many purchases a second each mode is broken: what was asked for, what an earlier run has used, or half of what it can sell here. */
import type { Fault } from "../../faults/fault.ts";
import type { Databases } from "../../platform/databases.ts";
import { MODE_NAMES, type ModeName } from "../../platform/mode-processes.ts";
import { readResults } from "../../results/file.ts";
import { BUSY, OFFERED, SOLD } from "../../results/rates.ts";
import type { Results } from "../../results/results.ts";
import { BUSY_SHARE, LIGHT_PER_SECOND, LOAD_SHARE, measureCapacity } from "./capacity.ts";
import type { RunFolder } from "../keeping/folder.ts";
import type { LabPlan, PerMode } from "./options.ts";

export interface Rates {
  readonly perSecond: PerMode;
  /** Offered to every mode alike where a fault says so; undefined where none does. */
  readonly busyPerSecond: number | undefined;
  /** Of those that were measured. */
  readonly capacityPerSecond: PerMode;
}

/** At which `fault` is met in `mode`. @throws where nobody has said */
export function rateOf({ perSecond, busyPerSecond }: Rates, mode: ModeName, { load }: Pick<Fault, "load">): number {
  const rate = load === "busy" ? busyPerSecond : perSecond[mode];
  if (rate === undefined) throw new Error(`nobody has said at which rate ${mode} is broken`);
  return load === "light" ? Math.min(rate, LIGHT_PER_SECOND) : rate;
}

/** As they stand in a result. */
export function settingsOf({ perSecond, busyPerSecond, capacityPerSecond }: Rates): Results["settings"] {
  return { [OFFERED]: { ...perSecond, ...(busyPerSecond === undefined ? {} : { [BUSY]: busyPerSecond }) }, [SOLD]: { ...capacityPerSecond } };
}

/** What an earlier run was measured with counts for what is added to it. @throws ResultsError where it cannot be read */
export function ratesOfEarlier(appendTo: RunFolder | undefined): Rates {
  if (appendTo === undefined) return { perSecond: {}, busyPerSecond: undefined, capacityPerSecond: {} };
  const { settings } = readResults(appendTo.resultsFile);
  const busy = settings[OFFERED]?.[BUSY];
  return { perSecond: perModeIn(settings[OFFERED]), busyPerSecond: typeof busy === "number" ? busy : undefined, capacityPerSecond: perModeIn(settings[SOLD]) };
}

function perModeIn(written: Results["settings"][string] = {}): PerMode {
  return Object.fromEntries(MODE_NAMES.flatMap((mode) => (typeof written[mode] === "number" ? [[mode, written[mode]]] : [])));
}

export interface Measuring {
  readonly databases: Databases;
  readonly folder: RunFolder;
  readonly signal: AbortSignal;
  readonly onMode: (mode: ModeName) => void;
}

/** @param earlier kept as they are, for modes of this plan and others. @throws when a mode sells nothing */
export async function ratesFor({ modes, faults, rates, busyRate, seed }: LabPlan, earlier: Rates, { databases, folder, signal, onMode }: Measuring): Promise<Rates> {
  const perSecond: Partial<Record<ModeName, number>> = { ...earlier.perSecond };
  const capacityPerSecond: Partial<Record<ModeName, number>> = { ...earlier.capacityPerSecond };
  const capacityOf = async (mode: ModeName): Promise<number> => {
    const known = capacityPerSecond[mode];
    if (known !== undefined) return known;
    onMode(mode);
    const capacity = Math.round(10 * (await measureCapacity({ mode, databases, seed, folder: `${folder.path}/${mode}/capacity`, signal }))) / 10;
    capacityPerSecond[mode] = capacity;
    return capacity;
  };
  for (const mode of modes) perSecond[mode] = rates[mode] ?? perSecond[mode] ?? Math.max(1, Math.floor(LOAD_SHARE * (await capacityOf(mode))));
  const isBusy = faults.some(({ load }) => load === "busy");
  const busyPerSecond = busyRate ?? earlier.busyPerSecond ?? (isBusy ? Math.max(1, Math.floor(BUSY_SHARE * (await capacityOf("naive")))) : undefined);
  return { perSecond, busyPerSecond, capacityPerSecond };
}
