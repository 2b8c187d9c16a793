import type { MeasuredMode, ModeFigures, Results } from "./figures.ts";

export const SAGA: ModeFigures = {
  offered: 40_000, accepted: 1_020, soldOut: 38_470, limited: 510, paid: 1_000, unitsSold: 1_000, oversold: 0, lost: 0, duplicated: 0, stuck: 0,
  gatewayP50Ms: 0.84, gatewayP99Ms: 12.3, purchaseP50Ms: 43.25, purchaseP99Ms: 1_234.5, cpuMsPerPurchase: 2.875, goodputVsNaive: 0.884,
  primaryKilled: { rtoFirstMs: 412.4, rtoHeadlineMs: 1_234.5, outageMs: 380.5, lost: 0, verdict: "valid", remarks: [], replay: "npm run lab -- --modes saga --faults primary-killed --seed 42 --quick" },
};

/** A run in which nobody knew everything: no `/proc`, nothing paid, and a checker that could not look. */
export const NAIVE: ModeFigures = {
  ...SAGA, paid: 0, unitsSold: 0, oversold: 3, lost: 12, stuck: null, purchaseP50Ms: null, purchaseP99Ms: null, cpuMsPerPurchase: null, goodputVsNaive: 1,
  primaryKilled: { rtoFirstMs: { unmeasured: "nothing was sold before the fault" }, rtoHeadlineMs: { beyondMs: 9_000 }, outageMs: null, lost: null, verdict: "unknown", remarks: ["lost: not read: orders"], replay: "npm run lab -- --modes naive" },
};

export function measured(mode: MeasuredMode["mode"], goodputPerSecond: number): MeasuredMode {
  const { goodputVsNaive: _, ...figures } = SAGA;
  return { ...figures, mode, goodputPerSecond, objections: [] };
}

export const RESULTS: Results = {
  schema: 2,
  incomplete: null,
  machine: { cpu: "Example CPU", cores: 2, memoryGb: 8, system: "Linux 6.1", fileSystem: "ext4", onTmpfs: false },
  versions: { tripact: "0.1.0", node: "26.10.0", postgres: "18.4" },
  seed: 42,
  load: { ratePerSecond: 5_000, seconds: 8, units: 1_000, plentyPerSecond: 1_000, primaryKilledPerSecond: 30 },
  modes: { naive: NAIVE, saga: SAGA },
};
