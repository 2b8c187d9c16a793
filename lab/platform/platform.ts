/** The whole flash sale in one mode, brought up from outside: processes by file and environment, and a sale by the gateway's door. */
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import type { FakedClock } from "@tripact/testbed";
import type { CpuMs } from "./cpu.ts";
import type { Databases, SaleDatabases } from "./databases.ts";
import { PlatformError } from "./failure.ts";
import { originOf, rowsOf, settingsOf, type Durability, type ModeName, type ProcessKind, type Secrets, type Wiring } from "./mode-processes.ts";
import { checkPortIsFree, freePorts } from "./network/port.ts";
import { giveWay, goFirst } from "./niceness.ts";
import { PlatformProcess } from "./process.ts";
import { layWires, type Wire, type WirePlan } from "./network/wires.ts";
import { openSale, type SaleOffer } from "./sale-door.ts";

export interface PlatformOptions {
  readonly mode: ModeName;
  readonly databases: Databases;
  /** Holds `stock/main.ts` and so on; the flash sale's own when left out. */
  readonly servicesFolder?: string | undefined;
  /** A free one when left out. */
  readonly gatewayPort?: number | undefined;
  /** Of the provider's dice. */
  readonly seed: number;
  /** Default `replicated` on a pair and `strict` on a single server. */
  readonly durability?: Durability | undefined;
  readonly extra?: Partial<Record<ProcessKind, Readonly<Record<string, string>>>> | undefined;
  /** Who reaches whom through a proxy that can be made to fail; nobody when left out. */
  readonly wires?: readonly WirePlan[] | undefined;
  /** By the process's name: a wall clock that is not the machine's. */
  readonly clocks?: ReadonlyMap<string, FakedClock> | undefined;
  /** See `ProcessPlan`. */
  readonly restartAfterMs?: number | undefined;
  readonly startCapMs?: number | undefined;
  /** Hears every line of every process. */
  readonly onLine?: ((process: string, line: string) => void) | undefined;
  /** Ends a start that is under way; a platform that is up is ended by `stop`. */
  readonly signal?: AbortSignal | undefined;
}

export interface Platform {
  readonly mode: ModeName;
  /** The gateway's. */
  readonly origin: string;
  /** Every process's, by its name. */
  readonly origins: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
  readonly databaseUrls: SaleDatabases["urls"];
  readonly processes: ReadonlyMap<string, PlatformProcess>;
  readonly wires: readonly Wire[];
  openSale(sale: SaleOffer): Promise<void>;
  /** CPU time since their start, in ms, by the process's name and of `postgres`; undefined where the system does not tell. */
  cpuMs(): CpuMs;
  /** Ends every process, last started first, and the wires, and drops the databases. Twice does no harm. */
  stop(): Promise<void>;
}

export const FLASH_SALE_FOLDER = fileURLToPath(new URL("../../flash-sale/", import.meta.url));

/** Resolves when every process is ready. When one is not, everything that was started is stopped again. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const { mode, databases, gatewayPort } = options;
  if (gatewayPort !== undefined) await checkPortIsFree(gatewayPort, "stop that program, or choose another port for the gateway with --port");
  const wiring = await wiringOf(options, await databases.fresh());
  const stages = stagesOf(options, wiring);
  const all = stages.flat();
  const begun = new Set<PlatformProcess>();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopAll(stages, begun, wiring));
  try {
    await startAll(stages, begun, options.signal);
  } catch (error) {
    await stop().catch(() => undefined);
    throw options.signal?.aborted === true ? new PlatformError("stopped", "the start was broken off", { cause: error }) : error;
  }
  const origin = originOf(wiring, "gateway-1");
  return {
    mode,
    origin,
    origins: Object.fromEntries(all.map(({ name }) => [name, originOf(wiring, name)])),
    secrets: wiring.secrets,
    databaseUrls: wiring.sale.urls,
    processes: new Map(all.map((process) => [process.name, process])),
    wires: wiring.wires,
    openSale: (sale) => openSale(origin, wiring.secrets.adminToken, sale),
    cpuMs: () => ({ postgres: databases.cpuMs(), ...Object.fromEntries(all.map((process) => [process.name, process.cpuMs()])) }),
    stop,
  };
}

type PlatformWiring = Wiring & { readonly sale: SaleDatabases; readonly wires: readonly Wire[] };

async function wiringOf({ mode, databases, gatewayPort, seed, durability, extra, wires: wirePlans = [] }: PlatformOptions, sale: SaleDatabases): Promise<PlatformWiring> {
  const names = rowsOf(mode).map(({ name }) => name);
  const free = await freePorts(names.length);
  const ports = Object.fromEntries(names.map((name, index) => [name, free[index] ?? 0]));
  if (gatewayPort !== undefined) ports["gateway-1"] = gatewayPort;
  const { wires, seenAt } = await layWires(wirePlans, rowsOf(mode), ports);
  return {
    mode,
    ports,
    wires,
    seenAt,
    databases: sale.urls,
    sale,
    secrets: { token: secret(), adminToken: secret(), providerKey: secret(), callbackSecret: secret() },
    seed,
    durability: durability ?? (databases.pair === undefined ? "strict" : "replicated"),
    extra,
  };
}

/** Made anew for each platform: a process that a former run has left behind is nobody here. */
function secret(): string {
  return randomBytes(24).toString("hex");
}

function stagesOf({ servicesFolder = FLASH_SALE_FOLDER, restartAfterMs, startCapMs, onLine, mode, clocks }: PlatformOptions, wiring: Wiring): readonly (readonly PlatformProcess[])[] {
  const processes = rowsOf(mode).map((row) => {
    const plan = {
      name: row.name,
      entry: `${servicesFolder.replace(/\/$/, "")}/${row.kind}/main.ts`,
      settings: { ...settingsOf(row, wiring), ...clocks?.get(row.name)?.environment("many") },
      onSpawn: row.kind === "gateway" ? goFirst : giveWay,
      ...(restartAfterMs === undefined ? {} : { restartAfterMs }),
      ...(startCapMs === undefined ? {} : { startCapMs }),
      ...(onLine === undefined ? {} : { onLine: (line: string) => onLine(row.name, line) }),
    };
    return { stage: row.stage, process: new PlatformProcess(plan) };
  });
  return [...Map.groupBy(processes, ({ stage }) => stage).values()].map((stage) => stage.map(({ process }) => process));
}

async function startAll(stages: readonly (readonly PlatformProcess[])[], begun: Set<PlatformProcess>, signal: AbortSignal | undefined): Promise<void> {
  const stopBegun = (): void => {
    // Their starts reject, and with them this one.
    for (const process of begun) process.stop().catch(() => undefined);
  };
  signal?.addEventListener("abort", stopBegun, { once: true });
  try {
    for (const stage of stages) {
      signal?.throwIfAborted();
      for (const process of stage) begun.add(process);
      // All of them are heard out: nobody is left starting behind the back of the stop that follows a failure.
      const starts = await Promise.allSettled(stage.map((process) => process.start()));
      const failed = starts.find((start) => start.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    }
    signal?.throwIfAborted();
  } finally {
    signal?.removeEventListener("abort", stopBegun);
  }
}

async function stopAll(stages: readonly (readonly PlatformProcess[])[], begun: ReadonlySet<PlatformProcess>, { sale, wires }: PlatformWiring): Promise<void> {
  for (const stage of stages.toReversed()) {
    await Promise.all(stage.filter((process) => begun.has(process)).map((process) => process.stop()));
  }
  await Promise.all(wires.map(({ proxy }) => proxy.close()));
  await sale.drop();
}
