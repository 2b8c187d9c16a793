/**
 * A network of one's own: a namespace of the kernel in which there is a 127.0.0.1 and nobody else, so that what is done to its packets
 * is done to no other program. It ends with its last process.
 */
import { existsSync, readlinkSync } from "node:fs";
import { spawnLeashed, type LeashedProcess, type SpawnLeashedOptions } from "../leash/leash.ts";
import { plainEnvironment, run } from "../postgres/run.ts";
import { installPackages, whyNoPackages } from "../system-packages.ts";
import { rulesetOf } from "./ruleset.ts";

/** Tells a process inside which network was left. */
const LEFT = "TRIPACT_LEFT_NETWORK";
/** By the program: the package that has it. */
const PACKAGES = { unshare: "util-linux", ip: "iproute2", nft: "nftables" } as const;
/** What is asked of the kernel later, asked once. */
const TRIAL = rulesetOf("tripact_trial", { percent: 5, packets: [{ kind: "to", port: 9 }, { kind: "connection", ports: [9, 10] }] });

/** Whether this process is in a private network. */
export function inPrivateNetwork(): boolean {
  const left = process.env[LEFT] ?? "";
  const here = namespaceHere();
  return /^net:\[\d+\]$/.test(left) && here !== undefined && here !== left;
}

/**
 * Why there cannot be one here with a firewall in it; undefined where there can. What is missing of programs is installed, as root on
 * Debian, and `tell` hears of it. In CI, a failure to install rejects.
 */
export async function whyNoPrivateNetwork(tell: (line: string) => void = () => undefined): Promise<string | undefined> {
  if (process.platform !== "linux") return "it needs the network namespaces of Linux";
  if (process.getuid?.() !== 0) return "it needs root, for a network namespace and a firewall in it";
  const missing = missingPrograms();
  if (missing.length > 0) {
    const names = missing.map((name) => PACKAGES[name]);
    const refusal = whyNoPackages();
    if (refusal !== undefined) return `${missing.join(" and ")} of the package ${names.join(" and ")} is missing, and ${refusal}`;
    tell(`Installing ${names.join(" and ")}, which faults of the network need.`);
    try {
      await installPackages(names);
    } catch (error) {
      if (process.env["CI"]) throw error;
      return `${names.join(" and ")} could not be installed: ${oneLine(error)}`;
    }
  }
  try {
    const { command, args } = inNewNamespace("nft", ["-f", "-"]);
    await run(command, args, { env: administratorsEnvironment(), input: TRIAL });
    return undefined;
  } catch (error) {
    return `the kernel refuses: ${oneLine(error)}`;
  }
}

/** Starts a process, on the leash, in a network of its own. What it starts is in there as well. */
export function spawnInPrivateNetwork({ command, args, env = process.env, ...options }: SpawnLeashedOptions): Promise<LeashedProcess> {
  return spawnLeashed({ ...options, ...inNewNamespace(command, args), env: { ...env, PATH: administratorsPath(env["PATH"]), [LEFT]: namespaceHere() } });
}

/** `exec` all the way: the child that we started is the program itself, so signals and exit codes need no carrier. */
function inNewNamespace(command: string, args: readonly string[] = []): { readonly command: string; readonly args: readonly string[] } {
  return { command: "unshare", args: ["--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", command, ...args] };
}

export function administratorsEnvironment(): NodeJS.ProcessEnv {
  const plain = plainEnvironment();
  return { ...plain, PATH: administratorsPath(plain["PATH"]) };
}

/** Not everybody who is root has these folders in his path: `su` keeps the former account's. */
function administratorsPath(path = ""): string {
  return [...new Set([...path.split(":"), "/usr/sbin", "/sbin"])].filter((folder) => folder !== "").join(":");
}

function missingPrograms(): readonly (keyof typeof PACKAGES)[] {
  const folders = administratorsPath(process.env["PATH"]).split(":");
  return (["unshare", "ip", "nft"] as const).filter((name) => !folders.some((folder) => existsSync(`${folder}/${name}`)));
}

function namespaceHere(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/net");
  } catch {
    return undefined;
  }
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").trim();
}
