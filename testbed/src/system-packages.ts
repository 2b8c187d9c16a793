import { existsSync, readFileSync } from "node:fs";
import { run } from "./postgres/run.ts";

/** Why this account cannot install packages of the system here; undefined where it can. */
export function whyNoPackages(): string | undefined {
  if (process.getuid?.() !== 0) return "only root could install it";
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  return /^ID=debian$/m.test(release) ? undefined : "this is not Debian";
}

/** @throws with what apt-get said */
export async function installPackages(names: readonly string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const patience = ["-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Options::=--force-confold"];
  await run("apt-get", ["update", ...patience], { env });
  await run("apt-get", ["install", "--yes", "--no-install-recommends", ...patience, ...names], { env });
}
