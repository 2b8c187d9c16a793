import { createHash, randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { appendFile, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { leashFolder, leashedFolder, unleashFolder } from "../leash/leash.ts";
import { serverAccount } from "./account.ts";
import { moveUnlessThere, type PostgresBinaries } from "./binaries.ts";
import { run } from "./run.ts";

/** A data folder that no server runs on yet. */
export interface Cluster {
  readonly dataFolder: string;
  /** Of the superuser `postgres`. */
  readonly password: string;
}

export interface ClusterOptions {
  readonly binaries: PostgresBinaries;
  /** Clusters copied from the template share one `system_identifier`; `"afresh"` takes a second longer and has its own. */
  readonly initialise: "from-template" | "afresh";
  /** Its data folder is made in there; default /var/tmp, a real disk: /tmp may be memory. */
  readonly place?: string | undefined;
}

const initdbOptions = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"];

/** Settings live in a file of their own, so that `alter system` and a reload still have the last word. */
export const settingsFile = "testbed.conf";

/** Makes a data folder with a password of its own, deleted when this process ends. */
export async function createCluster({ binaries, initialise, place }: ClusterOptions): Promise<Cluster> {
  const dataFolder = newDataFolder(place);
  const password = randomBytes(18).toString("hex");
  if (initialise === "afresh") {
    await handOver(dataFolder);
    await initialiseInto(dataFolder, binaries);
  } else {
    await copyFolder(await template(binaries), dataFolder);
  }
  await setPassword(dataFolder, password, binaries);
  // A copy is in memory at first, and the server flushes only what it changes: at a power loss the rest of it would be gone.
  if (place !== undefined) await run("sync", ["--file-system", dataFolder]);
  return { dataFolder, password };
}

/** Copies a stopped cluster, for a standby. */
export async function copyCluster(original: Cluster): Promise<Cluster> {
  const dataFolder = newDataFolder();
  await copyFolder(original.dataFolder, dataFolder);
  return { dataFolder, password: original.password };
}

export async function writeSettings(dataFolder: string, settings: Readonly<Record<string, string>>): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  // Flushed: a server that a power loss has left without its settings would listen elsewhere.
  await writeFile(join(dataFolder, settingsFile), lines.join(""), { flush: true });
}

/** The template: one initdb per machine, version and account, kept between runs and shared by every checkout. */
async function template(binaries: PostgresBinaries): Promise<string> {
  const owner = serverAccount()?.uid ?? process.getuid?.();
  const kind = createHash("sha256").update(JSON.stringify([initdbOptions, owner])).digest("hex").slice(0, 8);
  const place = `/var/tmp/tripact-template-${binaries.version}-${kind}`;
  if (existsSync(place)) {
    // The folder above is open to everybody: a template that another user has laid there is not ours to run.
    if (statSync(place).uid !== owner) throw new Error(`${place} belongs to somebody else; delete it`);
    return place;
  }
  const building = await mkdtemp(`${place}.building-`);
  leashFolder(building);
  await handOver(building);
  await initialiseInto(building, binaries);
  await moveUnlessThere(building, place);
  return place;
}

async function initialiseInto(dataFolder: string, binaries: PostgresBinaries): Promise<void> {
  // initdb insists on a password; every cluster replaces this one before it first listens.
  const passwordFolder = leashedFolder("/var/tmp/tripact-password-");
  const passwordFile = join(passwordFolder, "password");
  await writeFile(passwordFile, randomBytes(18).toString("hex"));
  await handOver(passwordFile);
  await handOver(passwordFolder);
  await run(join(binaries.folder, "initdb"), [...initdbOptions, `--pwfile=${passwordFile}`, "--no-instructions", "-D", dataFolder], {
    account: serverAccount(),
  });
  await rm(passwordFolder, { recursive: true });
  unleashFolder(passwordFolder);
  await appendFile(join(dataFolder, "postgresql.conf"), `include_if_exists '${settingsFile}'\n`);
}

/** A single-user server needs neither the old password nor a port. */
async function setPassword(dataFolder: string, password: string, binaries: PostgresBinaries): Promise<void> {
  await run(join(binaries.folder, "postgres"), ["--single", "-D", dataFolder, "-c", "dynamic_shared_memory_type=mmap", "postgres"], {
    account: serverAccount(),
    input: `alter role postgres password '${password}'\n`,
  });
}

function newDataFolder(place = "/var/tmp"): string {
  return leashedFolder(`${place}/tripact-`);
}

async function copyFolder(from: string, to: string): Promise<void> {
  await handOver(to);
  await run("cp", ["-Rp", `${from}/.`, to], { account: serverAccount() });
}

async function handOver(path: string): Promise<void> {
  const account = serverAccount();
  if (account !== undefined) await chown(path, account.uid, account.gid);
}
