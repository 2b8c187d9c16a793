/** What only the machine's real root may do, and what a test makes of it. */
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

const CAP_SYS_ADMIN = 21n;

/** Root in a container, or of a user namespace, may not change the machine. */
export function whyNotPrivileged(): string | undefined {
  if (process.platform !== "linux") return `it takes Linux, this is ${process.platform}`;
  if (process.getuid?.() !== 0) return "it takes root";
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  const isAdmin = ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
  const isOutermost = /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));
  return isAdmin && isOutermost ? undefined : "root in this container may not do it";
}

/** A test's `skip`. In CI, what the privileged root misses is a failure, so that no test disappears there unseen. */
export function skipBecause(why: string | undefined): string | false {
  if (why !== undefined && process.env["CI"] && whyNotPrivileged() === undefined) throw new Error(`this test must run in CI, but: ${why}`);
  return why ?? false;
}

export function isInstalled(program: string): boolean {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, program)));
}
