import { openSync, closeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import { removeLeashedFolder, spawnLeashed, type LeashedProcess } from "../leash/leash.ts";
import { serverAccount } from "./account.ts";
import { embeddedBinaries, type PostgresBinaries } from "./binaries.ts";
import { createCluster, writeSettings, type Cluster } from "./cluster.ts";
import { freePort } from "../free-port.ts";
import { plainEnvironment } from "./run.ts";

export interface PostgresOptions {
  /** Added to, or instead of, the testbed's own; as in postgresql.conf. Durability settings keep Postgres's defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: PostgreSQL 18 from npm. */
  readonly binaries?: PostgresBinaries;
  /** Default `"from-template"`; such servers share one `system_identifier`. */
  readonly initialise?: "from-template" | "afresh";
  /** The folder in which its data folder is made, say that of a `Disk`; of a pair the primary's. Default /var/tmp. */
  readonly place?: string | undefined;
  /** Added to its environment; of a pair to the primary's. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** `smart` waits for sessions to end, `fast` ends them, `immediate` leaves a crash recovery to the next start. */
export type StopMode = "smart" | "fast" | "immediate";

const startCapMs = 60_000;
const stopSignals: Readonly<Record<StopMode, NodeJS.Signals>> = { smart: "SIGTERM", fast: "SIGINT", immediate: "SIGQUIT" };

/** Starts a server on a new, empty cluster. It ends, and its data goes, with this process at the latest. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const binaries = options.binaries ?? (await embeddedBinaries());
  const cluster = await createCluster({ binaries, initialise: options.initialise ?? "from-template", place: options.place });
  const server = await prepareServer(cluster, binaries, options.settings ?? {}, options.environment);
  await server.start();
  return server;
}

/** A server on a cluster that is there already; not started yet. */
export async function prepareServer(cluster: Cluster, binaries: PostgresBinaries, settings: Readonly<Record<string, string>>, environment?: PostgresOptions["environment"]): Promise<PostgresServer> {
  const server = new PostgresServer(cluster, binaries, await freePort(), settings, environment);
  await writeSettings(cluster.dataFolder, server.settings);
  return server;
}

/** One real Postgres on 127.0.0.1, that can be stopped, killed and started again on its folder and port. */
export class PostgresServer {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly dataFolder: string;
  /** As in `18.4`. */
  readonly version: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly cluster: Cluster;
  readonly binaries: PostgresBinaries;
  readonly #environment: Readonly<Record<string, string>>;
  #process: LeashedProcess | undefined;
  #crashing: Promise<void> | undefined;

  constructor(cluster: Cluster, binaries: PostgresBinaries, port: number, settings: Readonly<Record<string, string>>, environment: Readonly<Record<string, string>> = {}) {
    this.#environment = environment;
    this.cluster = cluster;
    this.binaries = binaries;
    this.port = port;
    this.dataFolder = cluster.dataFolder;
    this.version = binaries.version;
    this.settings = {
      listen_addresses: this.host,
      port: String(port),
      unix_socket_directories: "",
      // The default leaves files in /dev/shm after every kill.
      dynamic_shared_memory_type: "mmap",
      max_connections: "200",
      ...settings,
    };
  }

  /** Where the server's own log goes. */
  get logFile(): string {
    return join(this.dataFolder, "testbed.log");
  }

  /** The postmaster's; undefined while the server is down. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** A connection string. Every role that `createUser` made has the superuser's password. */
  url(database = "postgres", user = "postgres"): string {
    return `postgres://${user}:${this.cluster.password}@${this.host}:${this.port}/${database}`;
  }

  /** Starts it, or starts it again after `stop` or `crash`; resolves when it takes connections (a standby: read-only ones). */
  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error(`the server on port ${this.port} is running`);
    const log = openSync(this.logFile, "a");
    const started = await spawnLeashed({
      command: join(this.binaries.folder, "postgres"),
      args: ["-D", this.dataFolder],
      cwd: "/",
      env: { ...plainEnvironment(), ...this.#environment },
      stdio: ["ignore", log, log],
      reach: "children",
      keepsParentAlive: false,
      ...serverAccount(),
    }).finally(() => closeSync(log));
    this.#process = started;
    void started.exited.then(() => {
      if (this.#process === started) this.#process = undefined;
    });
    await this.#untilReady(started);
  }

  /** Stops it in Postgres's own way and waits for the end; a server that is down is fine. */
  async stop(mode: StopMode = "fast"): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    running.kill(stopSignals[mode]);
    await running.waitForExit();
  }

  /** Kills the postmaster and every backend with SIGKILL, as a power cut would but for what the kernel still writes. */
  crash(): Promise<void> {
    // Shared by all who kill at once, say a fault and whoever fences: nobody hears that it is gone while a backend still runs.
    this.#crashing ??= this.#killWhole().finally(() => {
      this.#crashing = undefined;
    });
    return this.#crashing;
  }

  async #killWhole(): Promise<void> {
    const running = this.#process;
    await running?.killWhole();
    if (this.#process === running) this.#process = undefined;
  }

  /** Kills it and deletes its data. */
  async remove(): Promise<void> {
    await this.crash();
    removeLeashedFolder(this.dataFolder);
  }

  async createDatabase(name: string): Promise<void> {
    await this.#asSuperuser(`create database ${identifier(name)}`);
  }

  /** Makes an ordinary role that may log in, with the superuser's password: `url(database, name)`. */
  async createUser(name: string): Promise<void> {
    await this.#asSuperuser(`create role ${identifier(name)} login password '${this.cluster.password}'`);
  }

  /** Asked of the postmaster's own file, not by connecting: that would be traffic, and log a refusal for every try. */
  async #untilReady(started: LeashedProcess): Promise<void> {
    const deadlineMs = performance.now() + startCapMs;
    while (performance.now() < deadlineMs) {
      if (this.#process !== started) throw new Error(`the server on port ${this.port} ended:\n${await lastLines(this.logFile)}`);
      const lines = (await readFile(join(this.dataFolder, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
      // A killed server leaves its file behind, with its own pid.
      if (Number(lines[0]) === started.pid && lines[7]?.trim() === "ready") return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`the server on port ${this.port} is not ready after ${startCapMs} ms:\n${await lastLines(this.logFile)}`);
  }

  async #asSuperuser(statement: string): Promise<void> {
    const client = new Client({ connectionString: this.url() });
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }
}

/** A name fit to stand unquoted in a statement that takes no parameters. */
export function identifier(name: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name)) throw new Error(`not a plain lower-case SQL name: ${JSON.stringify(name)}`);
  return name;
}

async function lastLines(file: string): Promise<string> {
  const log = await readFile(file, "utf8").catch(() => "");
  return log.trimEnd().split("\n").slice(-15).join("\n");
}
