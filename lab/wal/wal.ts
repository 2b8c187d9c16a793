/** The write-ahead-log view of the source's section 4.3, over the flash sale in mode `outbox`: healthy, and with a relay killed. */
import { setTimeout as wait } from "node:timers/promises";
import { leashedFolder, removeLeashedFolder } from "@tripact/testbed";
import { startLoad, type Load } from "../load/start.ts";
import { startDatabases, type DatabaseName, type Databases } from "../platform/databases.ts";
import { startPlatform, type Platform } from "../platform/platform.ts";
import { appliedIn, join, TRACKING, type Joined } from "./applied.ts";
import { phaseFigures, type PhaseFigures, type WalFigures } from "./figures.ts";
import type { ViewOutputs } from "../views/view.ts";
import type { WalOptions } from "./options.ts";
import { asking, readOutbox, type OutboxStream } from "./stream.ts";

const OUTBOXES: readonly DatabaseName[] = ["orders", "stock", "payment"];
const SKU = "lamp";
const UNITS = 1_000_000;
const BUYERS = 2_000;
const DAY_MS = 86_400_000;
const RELAY = "relay-1";
const WARMING = "warming up";
const KILLED = `${RELAY} killed`;
/** As an orchestrator would. */
const RESTART_AFTER_MS = 1_000;
/** Where in its phase the relay dies. */
const KILL_AT_SHARE = 0.25;
/** Longer than a dead relay holds its keys, and the longest pause between two tries. */
const ARRIVED_CAP_MS = 30_000;
const LOOK_EVERY_MS = 250;
const PHASE_CAP_MS = 30_000;

export interface WalHooks {
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function measureWal(options: Omit<WalOptions, keyof ViewOutputs>, { onProgress, signal }: WalHooks = {}): Promise<WalFigures> {
  const say = onProgress ?? ((): void => undefined);
  say("starting PostgreSQL");
  const databases = await startDatabases({ servers: "single", endpoint: "direct" });
  try {
    await trackCommits(databases);
    say("starting the flash sale in mode outbox");
    const platform = await startPlatform({ mode: "outbox", databases, seed: options.seed, restartAfterMs: RESTART_AFTER_MS, signal });
    try {
      return await onPlatform(platform, options, say, signal);
    } finally {
      await platform.stop();
    }
  } finally {
    await databases.stop();
  }
}

async function trackCommits({ primary }: Databases): Promise<void> {
  await asking(primary.url(), (client) => client.query(TRACKING));
  await primary.stop("fast");
  await primary.start();
}

async function onPlatform(platform: Platform, options: Omit<WalOptions, keyof ViewOutputs>, say: (text: string) => void, signal: AbortSignal | undefined): Promise<WalFigures> {
  const folder = leashedFolder("/var/tmp/tripact-wal-");
  const streams: OutboxStream[] = [];
  let load: Load | undefined;
  try {
    for (const outbox of OUTBOXES) streams.push(await readOutbox(outbox, platform.databaseUrls[outbox]));
    const now = Date.now();
    await platform.openSale({ sku: SKU, units: UNITS, cents: 500, limitPerBuyer: UNITS, paymentWindowMs: DAY_MS, opensAt: now - 1_000, closesAt: now + DAY_MS });
    load = await startLoad({ target: platform.origin, historyPath: `${folder}/history.ndjson`, run: "wal", seed: options.seed });
    const phases: PhaseFigures[] = [];
    // Processes that have just started are slow, and no measure of anything.
    for (const [index, phase] of [WARMING, "healthy", KILLED].entries()) {
      signal?.throwIfAborted();
      say(phase);
      const fromMs = Date.now();
      await offer(load, options, index, phase === KILLED ? () => platform.processes.get(RELAY)?.kill() : undefined);
      const joined = await untilArrived(platform, streams, fromMs);
      if (phase !== WARMING) phases.push(phaseFigures(phase, joined, { fromMs, toMs: Infinity }));
    }
    const joined = await joinedNow(platform, streams);
    const sent = streams.reduce((sum, stream) => sum + stream.sent.length, 0);
    const { seconds, ratePerSecond, seed } = options;
    return { schema: 1, seed, ratePerSecond, seconds, sent, missing: joined.missing.length, unseen: joined.unseen.length, notStreamed: (await rowsIn(platform)) - sent, phases };
  } finally {
    await load?.killWhole();
    // Databases with a slot cannot be dropped.
    await Promise.all(streams.map((stream) => stream.stop()));
    removeLeashedFolder(folder);
  }
}

async function offer(load: Load, { seconds, ratePerSecond, seed }: Omit<WalOptions, keyof ViewOutputs>, phase: number, strike: (() => Promise<void> | undefined) | undefined): Promise<void> {
  const { ended } = await load.start({ sku: SKU, seconds, ratePerSecond, seed: seed + phase, buyers: BUYERS, firstBuyer: phase * BUYERS, returnShare: 1 });
  ended.catch(() => undefined);
  if (strike !== undefined) {
    await wait(seconds * 1_000 * KILL_AT_SHARE);
    await strike();
  }
  const over = new AbortController();
  const late = wait(seconds * 1_000 + PHASE_CAP_MS, undefined, { signal: over.signal }).then(() => Promise.reject(new Error("the load's phase does not end")));
  late.catch(() => undefined);
  await Promise.race([ended, late]).finally(() => over.abort());
}

/** Until the log tells of no message that is not applied, twice: an effect may send the next message. What is missing after the cap is told as missing. */
async function untilArrived(platform: Platform, streams: readonly OutboxStream[], sinceMs: number): Promise<Joined> {
  const deadlineMs = performance.now() + ARRIVED_CAP_MS;
  let before = -1;
  for (;;) {
    await wait(LOOK_EVERY_MS);
    const joined = await joinedNow(platform, streams);
    const { length } = joined.delivered;
    const isNew = joined.delivered.some(({ committedMs }) => committedMs >= sinceMs);
    if (isNew && joined.missing.length + joined.unseen.length === 0 && length === before) return joined;
    if (performance.now() > deadlineMs) return joined;
    before = length;
  }
}

async function joinedNow({ databaseUrls }: Platform, streams: readonly OutboxStream[]): Promise<Joined> {
  for (const { failure } of streams) if (failure !== undefined) throw failure;
  const applied = await Promise.all(OUTBOXES.map((consumer) => appliedIn(databaseUrls[consumer])));
  return join(streams.flatMap(({ sent }) => sent), applied.flat());
}

async function rowsIn({ databaseUrls }: Platform): Promise<number> {
  const counts = await Promise.all(OUTBOXES.map((outbox) => asking(databaseUrls[outbox], (client) => client.query<{ n: string }>("select count(*) as n from tripact.outbox"))));
  return counts.reduce((sum, { rows }) => sum + Number(rows[0]?.n ?? 0), 0);
}
