/** CPU time by Linux's /proc; elsewhere there is no figure rather than a wrong one. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** `USER_HZ`: the unit of /proc/<pid>/stat, the same on every Linux that Node runs on, whatever the kernel's own tick. */
const TICK_MS = 10;

export const CPU_IS_MEASURED = existsSync("/proc/self/stat");

interface Times {
  readonly parentPid: number;
  readonly ownMs: number;
  /** Of children that have ended and were waited for. */
  readonly endedChildrenMs: number;
}

/** User and system time of one process with all its threads, and of the children that it has outlived. Undefined where it cannot be read. */
export function cpuMsOf(pid: number): number | undefined {
  const times = timesOf(pid);
  return times === undefined ? undefined : times.ownMs + times.endedChildrenMs;
}

/** The same for a process and the children that it has now: a Postgres, whose backends are children of one postmaster. */
export function cpuMsOfFamily(pid: number): number | undefined {
  // The parent is read last: a child that ends in between is then counted in it, and at worst twice, never not at all.
  const children = CPU_IS_MEASURED ? childrenMs(pid) : 0;
  const own = cpuMsOf(pid);
  return own === undefined ? undefined : own + children;
}

/** In ms since their start, by name; undefined where the system does not tell. */
export type CpuMs = Readonly<Record<string, number | undefined>>;

/** One that is less than it was has lost a life in between that nobody looked at, and is not known. */
export function usedBetween(before: CpuMs, after: CpuMs): CpuMs {
  return Object.fromEntries(
    Object.entries(after).map(([name, ms]) => {
      const earlier = before[name];
      return [name, ms === undefined || earlier === undefined || ms < earlier ? undefined : ms - earlier];
    }),
  );
}

function childrenMs(parent: number): number {
  let sum = 0;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const times = timesOf(Number(entry));
    if (times?.parentPid === parent) sum += times.ownMs + times.endedChildrenMs;
  }
  return sum;
}

function timesOf(pid: number): Times | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined; // it has ended, or this is no Linux
  }
}

/** As in proc_pid_stat(5). The second field is the program's name in brackets, and may hold spaces and brackets itself. */
export function parseStat(stat: string): Times {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ms = (field: number): number => Number(fields[field - 3]) * TICK_MS;
  return { parentPid: Number(fields[1]), ownMs: ms(14) + ms(15), endedChildrenMs: ms(16) + ms(17) };
}
