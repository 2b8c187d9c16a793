import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { versionIn, type PostgresBinaries } from "./binaries.ts";
import { installPackages, whyNoPackages } from "../system-packages.ts";
import { startPostgres, type PostgresOptions, type PostgresServer } from "./postgres.ts";

/** Why a server could not be had here; a test passes the text to `t.skip`. */
export interface NotRun {
  readonly notRun: string;
}

const oldestMajor = 15;
const systemFolder = `/usr/lib/postgresql/${oldestMajor}/bin`;

/**
 * Starts PostgreSQL 15 from the system's packages: the oldest line that can be had everywhere we test. In CI, as root on
 * Debian, it is installed when missing, and a failure to do so rejects; elsewhere a missing one is `notRun`.
 */
export async function startSystemPostgres(options: Omit<PostgresOptions, "binaries"> = {}): Promise<PostgresServer | NotRun> {
  const binaries = await systemBinaries();
  return "notRun" in binaries ? binaries : startPostgres({ ...options, binaries });
}

async function systemBinaries(): Promise<PostgresBinaries | NotRun> {
  if (!existsSync(`${systemFolder}/postgres`)) {
    const reason = whyNotInstallable();
    if (reason !== undefined) return { notRun: `PostgreSQL ${oldestMajor} is not installed, and ${reason}` };
    await install();
  }
  return { folder: systemFolder, version: await versionIn(systemFolder, undefined) };
}

/** The oldest PostgreSQL is a service for the machine, so only CI gets it. */
function whyNotInstallable(): string | undefined {
  return process.env["CI"] ? whyNoPackages() : "it is installed only in CI";
}

async function install(): Promise<void> {
  // The package would start a server of its own on 5432 and keep it across reboots.
  const policy = "/etc/postgresql-common/createcluster.conf";
  if (!existsSync(policy)) {
    await mkdir("/etc/postgresql-common", { recursive: true });
    await writeFile(policy, "create_main_cluster = false\n");
  }
  await installPackages([`postgresql-${oldestMajor}`]);
}
