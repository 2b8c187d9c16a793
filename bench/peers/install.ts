import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { spawnLeashed } from "@tripact/testbed";

const folder = fileURLToPath(new URL(".", import.meta.url));

/** Installs the peers exactly as their lockfile says. No install script runs: none is needed, and one of them phones home. */
export async function installPeers(): Promise<void> {
  const npm = await spawnLeashed({
    command: "npm",
    args: ["ci", "--prefix", folder, "--workspaces=false", "--ignore-scripts", "--no-audit", "--no-fund"],
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const { code } = await npm.exited;
  if (code !== 0) throw new Error(`npm ci in bench/peers ended with code ${code}`);
}

export function peersAreInstalled(): boolean {
  return Object.keys(pinnedVersions()).every((name) => whyMissing(name) === undefined);
}

/** Why this package cannot be measured now; `undefined` when its pinned version is there. */
export function whyMissing(packageName: string): string | undefined {
  const manifest = new URL(`node_modules/${packageName}/package.json`, import.meta.url);
  if (!existsSync(manifest)) return `${packageName} is not installed: npm run bench -- peers`;
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  const pinned = pinnedVersions()[packageName];
  return pinned === version ? undefined : `${packageName} ${version} is installed, ${pinned} is pinned: npm run bench -- peers`;
}

function pinnedVersions(): Record<string, string> {
  const manifest = new URL("package.json", import.meta.url);
  return (JSON.parse(readFileSync(manifest, "utf8")) as { dependencies: Record<string, string> }).dependencies;
}
