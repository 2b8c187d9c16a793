/** The Postgres under the platform: a primary with its synchronous standby, and the one address at which everybody finds it. */
import { randomBytes } from "node:crypto";
import { createDisk, createFakedClock, startPair, startPostgres, startProxy, type Disk, type FakedClock, type PostgresPair, type PostgresServer, type TcpProxy } from "@tripact/testbed";
import { Client } from "pg";
import { cpuMsOfFamily } from "./cpu.ts";
import { giveWay } from "./niceness.ts";

export type DatabaseName = "orders" | "stock" | "payment";
const NAMES: readonly DatabaseName[] = ["orders", "stock", "payment"];

export interface DatabasesOptions {
  /** `pair`: every commit waits for both disks. `single`: for tests that are not about that. */
  readonly servers: "pair" | "single";
  /**
   * `proxied`: everybody connects by one address that a failover can repoint; each byte then passes through this process. `direct`: to the
   * primary itself, where nobody is going to break it.
   */
  readonly endpoint: "proxied" | "direct";
  /** `own`: the primary's data lies on a disk that can be filled and can lose its power, which takes root. Left out: with everything else. */
  readonly disk?: "own" | undefined;
  /** `faked`: the primary goes by a wall clock that can be set wrong. Left out: by the machine's. */
  readonly clock?: "faked" | undefined;
}

export interface Databases {
  /** Everybody connects through it, so whoever promotes the standby has one place to repoint. Undefined where they connect directly. */
  readonly proxy: TcpProxy | undefined;
  readonly primary: PostgresServer;
  /** Undefined with a single server. */
  readonly pair: PostgresPair | undefined;
  /** The primary's, where it has its own. */
  readonly disk: Disk | undefined;
  /** The primary's, where it has its own. */
  readonly clock: FakedClock | undefined;
  /** Three empty databases, for one mode or one sale. */
  fresh(): Promise<SaleDatabases>;
  /** CPU time of every server process until now, in ms; undefined where the system does not tell. */
  cpuMs(): number | undefined;
  /** Kills the servers and deletes their data. Twice does no harm. */
  stop(): Promise<void>;
}

export interface SaleDatabases {
  /** Connection strings, by way of the proxy. */
  readonly urls: Readonly<Record<DatabaseName, string>>;
  /** Ends every session in them and deletes them. Twice does no harm. */
  drop(): Promise<void>;
}

/** Eight processes with a pool each, the relays' wake-ups, the checkers, and room for what a fault leaves hanging. */
const SETTINGS = {
  max_connections: "300",
  wal_level: "logical",
  // A primary that comes back from a crash recycles what its standby may still need: without it, that one never follows again, and every commit waits for it.
  wal_keep_size: "128MB",
} as const;
const STATEMENT_CAP_MS = 20_000;

export async function startDatabases({ servers, endpoint, disk: diskKind, clock: clockKind }: DatabasesOptions): Promise<Databases> {
  const disk = diskKind === undefined ? undefined : await createDisk();
  const clock = clockKind === undefined ? undefined : await createFakedClock();
  const options = { settings: SETTINGS, place: disk?.folder, environment: clock?.environment("one") };
  const pair = servers === "pair" ? await startPair(options) : undefined;
  const primary = pair?.primary ?? (await startPostgres(options));
  const all = pair === undefined ? [primary] : [pair.primary, pair.standby];
  const remove = async (): Promise<void> => {
    await primary.crash();
    // What a killed server has left is found only on a disk that can be read.
    await disk?.powerOn();
    await Promise.all(all.map((server) => server.remove()));
    await disk?.remove();
    clock?.remove();
  };
  for (const { pid } of all) giveWay(pid);
  let proxy: TcpProxy | undefined;
  try {
    if (endpoint === "proxied") proxy = await startProxy({ target: { host: primary.host, port: primary.port } });
  } catch (error) {
    await remove();
    throw error;
  }
  const urlOf = (database: string): string => {
    const url = new URL(primary.url(database));
    if (proxy !== undefined) url.port = String(proxy.port);
    return url.href;
  };
  let stopping: Promise<void> | undefined;
  return {
    proxy,
    primary,
    pair,
    disk,
    clock,
    fresh: () => freshDatabases(urlOf),
    cpuMs: () => sum(all.map(({ pid }) => (pid === undefined ? 0 : cpuMsOfFamily(pid)))),
    stop: () => (stopping ??= Promise.resolve(proxy?.close()).then(remove)),
  };
}

async function freshDatabases(urlOf: (database: string) => string): Promise<SaleDatabases> {
  const suffix = randomBytes(4).toString("hex");
  const named = NAMES.map((name) => [name, `${name}_${suffix}`] as const);
  const drop = (): Promise<void> => run(urlOf("postgres"), named.map(([, database]) => `drop database if exists ${database} with (force)`));
  try {
    await run(urlOf("postgres"), named.map(([, database]) => `create database ${database}`));
  } catch (error) {
    await drop().catch(() => undefined);
    throw error;
  }
  const urls = Object.fromEntries(named.map(([name, database]) => [name, urlOf(database)]));
  return { urls: urls as Record<DatabaseName, string>, drop };
}

/** Names in these statements are ours, made above. */
async function run(url: string, statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: STATEMENT_CAP_MS, query_timeout: STATEMENT_CAP_MS });
  client.on("error", () => undefined);
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Of figures that may be missing: a sum with a hole in it is none. */
export function sum(figures: readonly (number | undefined)[]): number | undefined {
  return figures.reduce((total, figure) => (total === undefined || figure === undefined ? undefined : total + figure), 0);
}
