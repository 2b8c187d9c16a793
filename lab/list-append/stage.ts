/** The lists, brought up from outside: two desks with one journal, two keepers with a database each. */
import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { startFailover, startRestarts, type Watch } from "@tripact/testbed";
import { journalOf } from "../evidence/leftovers.ts";
import { readProtocol, together, type ProtocolRows } from "../evidence/protocol-tables.ts";
import { EvidenceError, inSnapshot, interning, type SnapshotOptions } from "../evidence/snapshot.ts";
import { startDatabases, type Databases, type SaleDatabases } from "../platform/databases.ts";
import { freePorts } from "../platform/network/port.ts";
import { FLASH_SALE_FOLDER } from "../platform/platform.ts";
import { PlatformProcess } from "../platform/process.ts";
import { deskAt, type Desk } from "./desk.ts";
import { DESKS, KEEPERS } from "./faults.ts";
import type { Lists } from "./history.ts";
import { ELEMENTS_MAX } from "./plan.ts";

export type ListsMode = "saga" | "tcc";

export interface ListsStage {
  readonly desks: readonly Desk[];
  readonly databases: Databases;
  readonly processes: ReadonlyMap<string, PlatformProcess>;
  readonly watch: Watch;
  /** Connection strings: `orders` has the journal, `stock` and `payment` a keeper's lists. */
  readonly urls: SaleDatabases["urls"];
  /** Ends everything that was started, and deletes the databases. Twice does no harm. */
  stop(): Promise<void>;
}

/** As a supervisor would, soon: there is another desk meanwhile, but no other keeper. */
const RESTART_AFTER_MS = 300;

export async function openLists(mode: ListsMode, servers: "pair" | "single"): Promise<ListsStage> {
  const closers: (() => Promise<unknown>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= closeAll(closers));
  try {
    const databases = await startDatabases({ servers, endpoint: "proxied" });
    closers.push(() => databases.stop());
    const watch = await watchOver(databases);
    closers.push(() => watch.stop());
    const { urls } = await databases.fresh();
    const token = randomBytes(24).toString("hex");
    const origins = await originsOf([...KEEPERS, ...DESKS]);
    const processes = processesOf({ mode, token, origins, urls, durability: servers === "pair" ? "replicated" : "strict" });
    closers.push(() => Promise.all([...processes.values()].map((process) => process.stop())));
    // All of them are heard out: nobody is left starting behind the back of the stop that follows a failure.
    const starts = await Promise.allSettled([...processes.values()].map((process) => process.start()));
    const failed = starts.find((start) => start.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    return { desks: DESKS.map((name) => deskAt(originOf(origins, name), token)), databases, processes, watch, urls, stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

async function closeAll(closers: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const close of closers.toReversed()) await close();
}

function watchOver({ pair, primary, proxy }: Databases): Promise<Watch> {
  if (proxy === undefined) throw new Error("there is no proxy for a failover to repoint");
  return pair === undefined ? startRestarts({ server: primary, endpoint: proxy }) : startFailover({ pair, endpoint: proxy });
}

type Origins = ReadonlyMap<string, string>;

async function originsOf(names: readonly string[]): Promise<Origins> {
  const ports = await freePorts(names.length);
  return new Map(names.map((name, index) => [name, `http://127.0.0.1:${ports[index]}`]));
}

function originOf(origins: Origins, name: string): string {
  const origin = origins.get(name);
  if (origin === undefined) throw new Error(`no port was given to ${name}`);
  return origin;
}

interface Wiring {
  readonly mode: ListsMode;
  readonly token: string;
  readonly origins: Origins;
  readonly urls: SaleDatabases["urls"];
  readonly durability: "strict" | "replicated";
}

function processesOf({ mode, token, origins, urls, durability }: Wiring): ReadonlyMap<string, PlatformProcess> {
  const keeperUrls = KEEPERS.map((name) => originOf(origins, name)).join(",");
  const started = (name: string, kind: "keeper" | "desk", settings: Readonly<Record<string, string>>): readonly [string, PlatformProcess] => {
    const entry = `${FLASH_SALE_FOLDER}lists/${kind}/main.ts`;
    return [name, new PlatformProcess({ name, entry, restartAfterMs: RESTART_AFTER_MS, settings: { PORT: new URL(originOf(origins, name)).port, TOKEN: token, ...settings } })];
  };
  return new Map([
    ...KEEPERS.map((name, index) => started(name, "keeper", { KEEPER: name, DATABASE_URL: [urls.stock, urls.payment][index] ?? "", ELEMENTS_MAX: String(ELEMENTS_MAX) })),
    ...DESKS.map((name) => started(name, "desk", { DESK: name, MODE: mode, DATABASE_URL: urls.orders, KEEPER_URLS: keeperUrls, DURABILITY: durability })),
  ]);
}

const LOOK_EVERY_MS = 100;
const ROWS_MAX = 1_000_000;

const reading = (): SnapshotOptions => ({ rowsMax: ROWS_MAX, intern: interning() });

/** Whether no transaction is open, by the journal, twice in a row before the cap. What cannot be asked is not at rest. */
export async function untilAtRest({ orders }: SaleDatabases["urls"], capMs: number, signal: AbortSignal): Promise<boolean> {
  const deadlineMs = performance.now() + capMs;
  for (let quiet = 0; performance.now() < deadlineMs; ) {
    const open = await inSnapshot("orders", orders, reading(), async (snapshot) => (await journalOf(snapshot))?.open).catch((error: unknown) => {
      if (error instanceof EvidenceError && error.code === "unreachable") return undefined;
      throw error;
    });
    quiet = open === 0 ? quiet + 1 : 0;
    if (quiet === 2) return true;
    await wait(LOOK_EVERY_MS, undefined, { signal });
  }
  return false;
}

/** Tripact's own tables, in all three databases. @throws EvidenceError */
export async function readTables(urls: SaleDatabases["urls"]): Promise<ProtocolRows> {
  return together(await Promise.all((["orders", "stock", "payment"] as const).map((database) => inSnapshot(database, urls[database], reading(), readProtocol))));
}

export interface Kept {
  readonly lists: Lists;
  readonly aside: readonly { readonly key: number; readonly element: number }[];
}

/** What the databases have, read by nobody's code but ours. @throws EvidenceError */
export async function readLists({ stock, payment }: SaleDatabases["urls"]): Promise<Kept> {
  const kept = await Promise.all(
    (["stock", "payment"] as const).map((database) =>
      inSnapshot(database, { stock, payment }[database], reading(), async (snapshot) => ({
        lists: (await snapshot.read<{ key: number; elements: readonly number[] }>("list", "select key, elements from list")) ?? missing(database, "list"),
        aside: (await snapshot.read<{ key: number; element: number }>("aside", "select key, element from aside")) ?? missing(database, "aside"),
      })),
    ),
  );
  return { lists: new Map(kept.flatMap(({ lists }) => lists.map(({ key, elements }) => [key, elements] as const))), aside: kept.flatMap(({ aside }) => aside) };
}

function missing(database: string, table: string): never {
  throw new EvidenceError("unreachable", database, `there is no table ${table}`);
}
