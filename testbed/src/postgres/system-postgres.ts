import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { versionIn, type PostgresBinaries } from "./binaries.ts";
import { startPostgres, type PostgresOptions, type PostgresServer } from "./postgres.ts";
import { run } from "./run.ts";

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
    const reason = await whyNotInstallable();
    if (reason !== undefined) return { notRun: `PostgreSQL ${oldestMajor} is not installed, and ${reason}` };
    await install();
  }
  return { folder: systemFolder, version: await versionIn(systemFolder, undefined) };
}

async function whyNotInstallable(): Promise<string | undefined> {
  if (!process.env["CI"]) return "it is installed only in CI";
  if (process.getuid?.() !== 0) return "only root could install it";
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  return /^ID=debian$/m.test(release) ? undefined : "this is not Debian";
}

async function install(): Promise<void> {
  // The package would start a server of its own on 5432 and keep it across reboots.
  const policy = "/etc/postgresql-common/createcluster.conf";
  if (!existsSync(policy)) {
    await mkdir("/etc/postgresql-common", { recursive: true });
    await writeFile(policy, "create_main_cluster = false\n");
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const patience = ["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold"];
  await run("apt-get", ["update", ...patience], { env });
  await run("apt-get", ["install", "--yes", "--no-install-recommends", ...patience, `postgresql-${oldestMajor}`], { env });
}
