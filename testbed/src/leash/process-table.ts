import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** One living or dead-but-unreaped process. `state` is the kernel's letter; "Z" is a zombie. */
export interface ProcessRow {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly state: string;
}

/** Every process that still runs. Zombies are left out: they hold nothing, and not every pid 1 reaps them. */
export function livingProcesses(): ProcessRow[] {
  const rows = existsSync("/proc/self/stat") ? rowsFromProc() : rowsFromPs();
  return rows.filter((row) => !row.state.startsWith("Z") && !row.state.startsWith("X"));
}

/** Those of `pids` that still run. */
export function stillAlive(pids: readonly number[]): number[] {
  const wanted = new Set(pids);
  return livingProcesses().map((row) => row.pid).filter((pid) => wanted.has(pid));
}

function rowsFromProc(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    let stat: string;
    try {
      stat = readFileSync(`/proc/${entry}/stat`, "utf8");
    } catch {
      continue; // it ended between the listing and the reading
    }
    // The second field is the program's name in brackets and may itself hold spaces and brackets.
    const [state = "", parentPid, groupId] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    rows.push({ pid: Number(entry), parentPid: Number(parentPid), groupId: Number(groupId), state });
  }
  return rows;
}

function rowsFromPs(): ProcessRow[] {
  const text = execFileSync("ps", ["-axo", "pid=,ppid=,pgid=,state="], { encoding: "utf8" });
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const [pid, parentPid, groupId, state = ""] = line.trim().split(/\s+/);
    return { pid: Number(pid), parentPid: Number(parentPid), groupId: Number(groupId), state };
  });
}
