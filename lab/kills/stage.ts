/** One platform on which sale follows sale: a start costs more than a sale, and a killed process comes back by itself. */
import { leashedFolder, removeLeashedFolder, startProxy, type TcpProxy } from "@tripact/testbed";
import type { Heard } from "../evidence/read-evidence.ts";
import type { Databases } from "../platform/databases.ts";
import type { ModeName, ProcessKind } from "../platform/mode-processes.ts";
import { startPlatform, type Platform, type PlatformOptions } from "../platform/platform.ts";
import type { PlatformProcess } from "../platform/process.ts";
import type { SaleOffer } from "../platform/sale-door.ts";

export interface Stage {
  readonly mode: ModeName;
  readonly seed: number;
  readonly platform: Platform;
  readonly databases: Databases;
  /** Between the gateway and each purchase worker. */
  readonly wires: readonly TcpProxy[];
  /** Histories lie here. */
  readonly folder: string;
  /** What was sold so far, and what its buyers heard: the databases remember every sale, so the judges hear of them all. */
  readonly sales: SaleOffer[];
  readonly heard: Heard[];
  process(name: string): PlatformProcess;
  stop(): Promise<void>;
}

export const GATEWAY = "gateway-1";
export const LEASE_MS = 1_000;
/** Orders that are not paid expire within the test. */
export const PAYMENT_WINDOW_MS = 3_500;
/** As an orchestrator would. */
const RESTART_AFTER_MS = 300;
const ASKS_PER_SECOND = 10_000;

/** A provider that answers fast, says no to some, tells some twice, and some later than anybody waits. */
const SETTINGS: Partial<Record<ProcessKind, Readonly<Record<string, string>>>> = {
  stock: { LEASE_MS: String(LEASE_MS) },
  provider: { ANSWER_MS: "20", SLOW: "0.05", SLOW_MS: "400", DECLINED: "0.05", DUPLICATED: "0.1", LATE: "0.01", LATE_MS: String(PAYMENT_WINDOW_MS + 300) },
  // Small chunks, so that they come and go. Limits by rate are not what is tested here, and not every machine has an address for each buyer.
  gateway: { CHUNK_UNITS: "16", RATE_PER_SECOND: String(ASKS_PER_SECOND), RATE_BURST: String(ASKS_PER_SECOND) },
};

export async function openStage({ mode, databases, seed }: Pick<PlatformOptions, "mode" | "databases" | "seed">): Promise<Stage> {
  // The ports behind them are known when the platform is up; it asks its workers nothing before a sale.
  const wires = [await startProxy({ target: { host: "127.0.0.1", port: 9 } }), await startProxy({ target: { host: "127.0.0.1", port: 9 } })];
  const folder = leashedFolder("/var/tmp/tripact-kills-");
  const wired = { ORDERS_URLS: wires.map(({ host, port }) => `http://${host}:${port}`).join(",") };
  const extra = { ...SETTINGS, gateway: { ...SETTINGS.gateway, ...wired } };
  const leave = async (): Promise<void> => {
    await Promise.all(wires.map((wire) => wire.close()));
    removeLeashedFolder(folder);
  };
  let platform: Platform;
  try {
    platform = await startPlatform({ mode, databases, seed, extra, restartAfterMs: RESTART_AFTER_MS });
  } catch (error) {
    await leave();
    throw error;
  }
  for (const [index, wire] of wires.entries()) wire.retarget(addressOf(platform.origins[`orders-${index + 1}`]));
  return {
    mode, seed, platform, databases, wires, folder, sales: [], heard: [],
    process(name) {
      const found = platform.processes.get(name);
      if (found === undefined) throw new Error(`there is no ${name} in ${mode}`);
      return found;
    },
    async stop() {
      await platform.stop();
      await leave();
    },
  };
}

function addressOf(origin = ""): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(origin);
  return { host: hostname, port: Number(port) };
}
