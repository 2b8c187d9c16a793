/** How much CPU time the platform takes between two looks, by kinds of processes. */
import { usedBetween, type CpuMs } from "../../platform/cpu.ts";
import { sum } from "../../platform/databases.ts";
import { rowsOf } from "../../platform/mode-processes.ts";
import type { CpuKind } from "../../results/results.ts";
import type { CpuByKind } from "../measuring/performance.ts";
import type { Stage } from "./stage.ts";

export interface CpuReading {
  readonly cpuMs: CpuMs;
  /** Of the servers, by which it is known whether they are still the same ones. */
  readonly servers: readonly (number | undefined)[];
}

export function readCpu({ platform, databases: { primary, pair } }: Pick<Stage, "platform" | "databases">): CpuReading {
  return { cpuMs: platform.cpuMs(), servers: [primary.pid, pair?.standby.pid] };
}

/** A server that died took its figure with it. A process that died on its own counts as last looked at. */
export function spentBetween({ mode }: Pick<Stage, "mode">, before: CpuReading, after: CpuReading): CpuByKind {
  const used = usedBetween(before.cpuMs, after.cpuMs);
  const isSame = before.servers.every((pid, index) => pid === after.servers[index]);
  const kinds = Map.groupBy(rowsOf(mode), ({ kind }) => kind);
  const byKind = [...kinds].map(([kind, rows]): readonly [CpuKind, number | undefined] => [kind, sum(rows.map(({ name }) => used[name]))]);
  return Object.fromEntries([...byKind, ["postgres", isSame ? used["postgres"] : undefined] as const]);
}
