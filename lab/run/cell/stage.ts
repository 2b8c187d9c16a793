/** A platform on which one run follows another, and what its judges have to know of the earlier ones. */
import { createFakedClock, type FakedClock } from "@tripact/testbed";
import { SKEWABLE } from "../../faults/clock-skewed.ts";
import type { Heard } from "../../evidence/read-evidence.ts";
import type { Databases } from "../../platform/databases.ts";
import type { ModeName, ProcessKind } from "../../platform/mode-processes.ts";
import type { WirePlan } from "../../platform/network/wires.ts";
import { startPlatform, type Platform, type PlatformOptions } from "../../platform/platform.ts";
import type { SaleOffer } from "../../platform/sale-door.ts";
import { NOTHING_EARLIER, type Earlier } from "../measuring/since.ts";

export interface Stage {
  readonly mode: ModeName;
  readonly platform: Platform;
  readonly databases: Databases;
  /** Of those that a fault can set wrong, the primary's included; empty where no fault does. */
  readonly clocks: ReadonlyMap<string, FakedClock>;
  readonly sales: SaleOffer[];
  readonly heard: Heard[];
  /** Known before the run that is on. */
  earlier: Earlier;
  /** No judge has objected yet: so long as nothing is wrong, every judgement is of everything. */
  clean: boolean;
  stop(): Promise<void>;
}

export const GATEWAY = "gateway-1";
/** As an orchestrator would. */
export const RESTART_AFTER_MS = 1_000;
/** A dead server refuses at once, so a suspicion is confirmed faster than it arises; a silent one costs the timeout each time. */
export const FAILOVER = { probeEveryMs: 100, confirmEveryMs: 30, probeTimeoutMs: 500, failuresInRow: 3 } as const;
/** Longer than any outage here: nobody's order is to expire because others were before him. */
export const PAYMENT_WINDOW_MS = 15_000;

/**
 * Beside the processes' own defaults. Limits by rate are not what is broken here, and not every machine has an address for each buyer. A
 * provider that takes a second for one charge in fifty, as it does elsewhere, leaves a purchase open for a second in every other run without
 * a fault: that is not recovery, so here the slow ones take a tenth of it.
 */
export const EXTRA: Partial<Record<ProcessKind, Readonly<Record<string, string>>>> = {
  gateway: { RATE_PER_SECOND: "10000", RATE_BURST: "10000" },
  provider: { SLOW_MS: "100" },
};

export interface StageOptions {
  readonly mode: ModeName;
  readonly databases: Databases;
  readonly seed: number;
  readonly wires: readonly WirePlan[];
  readonly signal: AbortSignal;
  readonly platform?: Pick<PlatformOptions, "servicesFolder" | "gatewayPort" | "onLine"> | undefined;
}

export async function openStage({ mode, databases, seed, wires, signal, platform: given }: StageOptions): Promise<Stage> {
  const clocks = await clocksFor(databases);
  const platform = await startPlatform({ ...given, mode, databases, seed, wires, signal, clocks, extra: EXTRA, restartAfterMs: RESTART_AFTER_MS });
  const stop = async (): Promise<void> => {
    await platform.stop();
    for (const clock of clocks.values()) if (clock !== databases.clock) clock.remove();
  };
  return { mode, platform, databases, clocks, sales: [], heard: [], earlier: NOTHING_EARLIER, clean: true, stop };
}

/** Where the primary's clock can be set wrong, so can those of the others. */
async function clocksFor({ clock: primarys }: Databases): Promise<ReadonlyMap<string, FakedClock>> {
  const clocks = new Map<string, FakedClock>();
  if (primarys === undefined) return clocks;
  for (const name of SKEWABLE) clocks.set(name, name === "postgres" ? primarys : await createFakedClock());
  return clocks;
}
