import { chown, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { serverAccount } from "./account.ts";
import { embeddedBinaries } from "./binaries.ts";
import { copyCluster, createCluster } from "./cluster.ts";
import { prepareServer, type PostgresOptions, type PostgresServer } from "./postgres.ts";

export interface PostgresPair {
  readonly primary: PostgresServer;
  readonly standby: PostgresServer;
  /**
   * Fences the primary by killing it (harmless when it is dead), makes the standby a primary without one, and resolves
   * when that takes writes. A fenced server must not be started again: there is no rewind, it could only rejoin as a fresh copy.
   */
  promote(): Promise<void>;
  /** Kills both and deletes their data. */
  remove(): Promise<void>;
}

const standbyName = "standby";
const syncCapMs = 30_000;
const promoteCapMs = 30_000;

/**
 * Starts a primary and a synchronous standby; resolves when the primary reports the standby as `sync`.
 * From then on every commit at `synchronous_commit=on` waits for both disks.
 */
export async function startPair(options: PostgresOptions = {}): Promise<PostgresPair> {
  const binaries = options.binaries ?? (await embeddedBinaries());
  const cluster = await createCluster({ binaries, initialise: options.initialise ?? "from-template", place: options.place });
  // Copied before the first start: the npm package has no pg_basebackup, and a cluster at rest needs none.
  const copy = await copyCluster(cluster);
  const primary = await prepareServer(cluster, binaries, { synchronous_standby_names: standbyName, ...options.settings }, options.environment);
  const standby = await prepareServer(copy, binaries, {
    primary_conninfo: `host=${primary.host} port=${primary.port} user=postgres password=${cluster.password} application_name=${standbyName}`,
    // With the default of 5 s a standby that has just lost its primary sleeps through its promotion.
    wal_retrieve_retry_interval: "50ms",
    ...options.settings,
  });
  await markAsStandby(standby.dataFolder);
  await primary.start();
  await standby.start();
  await untilTrue(primary, "select count(*) = 1 as reached from pg_stat_replication where sync_state = 'sync' and state = 'streaming'", syncCapMs);
  return {
    primary,
    standby,
    promote: async () => {
      await primary.crash();
      await promoteServer(standby);
    },
    remove: async () => {
      await Promise.all([primary.remove(), standby.remove()]);
    },
  };
}

/** The server opens this file for writing, so it must own it. */
async function markAsStandby(dataFolder: string): Promise<void> {
  const path = join(dataFolder, "standby.signal");
  await writeFile(path, "");
  const account = serverAccount();
  if (account !== undefined) await chown(path, account.uid, account.gid);
}

/** As `pg_ctl promote` does it, without starting a program: a file and a signal. */
async function promoteServer(server: PostgresServer): Promise<void> {
  const { pid } = server;
  if (pid === undefined) throw new Error(`the standby on port ${server.port} is down and cannot be promoted`);
  await writeFile(join(server.dataFolder, "promote"), "");
  process.kill(pid, "SIGUSR1");
  // The postmaster's own file says "ready" of a standby too; only a session knows.
  await untilTrue(server, "select not pg_is_in_recovery() as reached", promoteCapMs);
}

async function untilTrue(server: PostgresServer, question: string, capMs: number): Promise<void> {
  const client = new Client({ connectionString: server.url() });
  await client.connect();
  try {
    const deadlineMs = performance.now() + capMs;
    while (performance.now() < deadlineMs) {
      const { rows } = await client.query<{ reached: boolean }>(question);
      if (rows[0]?.reached === true) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`after ${capMs} ms not yet true on port ${server.port}: ${question}`);
  } finally {
    await client.end();
  }
}
