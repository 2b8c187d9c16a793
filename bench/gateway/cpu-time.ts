import { readFileSync } from "node:fs";

/** Linux counts a process's time in ticks of this length, whatever the kernel's own. */
const TICK_MS = 10;

/** User and system time of a process since its start; undefined where the system does not say. */
export function cpuTimeMs(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  // The name, in brackets, may hold spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ");
  return fields === undefined ? undefined : (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
