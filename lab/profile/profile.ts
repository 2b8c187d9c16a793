/** The profile of the source's section 4.1: purchases that are all declined, with Node's own profiler in the purchase workers. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { startLoad } from "../load/start.ts";
import { startDatabases } from "../platform/databases.ts";
import { startPlatform, type Platform } from "../platform/platform.ts";
import type { CpuProfile } from "./cpu-profile.ts";
import type { ViewOutputs } from "../views/view.ts";
import type { ProfileOptions } from "./options.ts";
import { profileFigures, type Compensated, type Probed, type ProfileFigures } from "./summary.ts";

const PROBE = fileURLToPath(new URL("./probe.ts", import.meta.url));
const SKU = "lamp";
const UNITS = 1_000_000;
const BUYERS = 2_000;
const DAY_MS = 86_400_000;
const QUIET_CAP_MS = 30_000;
const LOOK_EVERY_MS = 200;
const STATEMENT_CAP_MS = 15_000;

export interface ProfileHooks {
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Writes the profiles into `folder`. */
export async function measureProfile({ mode, seconds, ratePerSecond, seed, folder }: Omit<ProfileOptions, keyof ViewOutputs>, { onProgress, signal }: ProfileHooks = {}): Promise<ProfileFigures> {
  const into = resolve(folder);
  await mkdir(into, { recursive: true });
  const before = new Set(await readdir(into));
  onProgress?.("starting PostgreSQL and the flash sale");
  const databases = await startDatabases({ servers: "single", endpoint: "direct" });
  try {
    const extra = { provider: { DECLINED: "1", SLOW: "0", DUPLICATED: "0" }, orders: { PROFILE_FOLDER: into, NODE_OPTIONS: `${process.env["NODE_OPTIONS"] ?? ""} --import=${JSON.stringify(PROBE)}`.trim() } };
    const platform = await startPlatform({ mode, databases, seed, extra, signal });
    let compensated: readonly Compensated[];
    try {
      onProgress?.("purchases that are declined");
      await buy(platform, { seconds, ratePerSecond, seed, history: join(into, "history.ndjson") });
      compensated = await untilAllEnded(platform.databaseUrls.orders, signal);
    } finally {
      // The workers write their files when they end.
      await platform.stop();
    }
    // Sorted, so that the two files of a worker stand at the same place.
    const files = (await readdir(into)).filter((name) => !before.has(name)).toSorted().map((name) => join(into, name));
    const profiles = files.filter((name) => name.endsWith(".cpuprofile"));
    const probes = files.filter((name) => name.endsWith(".probe.json"));
    if (profiles.length === 0 || probes.length !== profiles.length) throw new Error(`the workers left ${profiles.length} profiles and ${probes.length} probes in ${into}`);
    const probed = await Promise.all(probes.map(read<Probed>));
    const timed = await Promise.all(profiles.map(async (file, index) => ({ startedMs: probed[index]?.startedMs ?? 0, profile: await read<CpuProfile>(file) })));
    return profileFigures({ seed, mode, compensated, probed, profiles: timed, files: profiles });
  } finally {
    await databases.stop();
  }
}

async function read<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, "utf8")) as T;
}

async function buy(platform: Platform, { seconds, ratePerSecond, seed, history }: { readonly seconds: number; readonly ratePerSecond: number; readonly seed: number; readonly history: string }): Promise<void> {
  const now = Date.now();
  await platform.openSale({ sku: SKU, units: UNITS, cents: 500, limitPerBuyer: UNITS, paymentWindowMs: DAY_MS, opensAt: now - 1_000, closesAt: now + DAY_MS });
  const load = await startLoad({ target: platform.origin, historyPath: history, run: "profile", seed });
  try {
    const { ended } = await load.start({ sku: SKU, seconds, ratePerSecond, seed, buyers: BUYERS, returnShare: 1 });
    ended.catch(() => undefined);
    await Promise.race([ended, wait(seconds * 1_000 + QUIET_CAP_MS, undefined, { ref: false }).then(() => Promise.reject(new Error("the load's phase does not end")))]);
  } finally {
    await load.killWhole();
  }
}

async function untilAllEnded(url: string, signal: AbortSignal | undefined): Promise<readonly Compensated[]> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: STATEMENT_CAP_MS, query_timeout: STATEMENT_CAP_MS });
  client.on("error", () => undefined);
  await client.connect();
  try {
    const deadlineMs = performance.now() + QUIET_CAP_MS;
    for (;;) {
      signal?.throwIfAborted();
      const { rows } = await client.query<{ state: string; placed: Date; ended: Date | null }>("select state, placed_at as placed, ended_at as ended from orders where placed_at is not null and state <> 'never-placed'");
      if (rows.length > 0 && rows.every(({ ended }) => ended !== null)) {
        return rows.flatMap(({ state, placed, ended }) => (state === "declined" && ended !== null ? [{ fromMs: placed.getTime(), toMs: ended.getTime() }] : []));
      }
      if (performance.now() > deadlineMs) throw new Error(`${rows.filter(({ ended }) => ended === null).length} of ${rows.length} orders have not ended after ${QUIET_CAP_MS} ms`);
      await wait(LOOK_EVERY_MS);
    }
  } finally {
    await client.end();
  }
}
