import { livingProcesses, stillAlive } from "./process-table.ts";

/**
 * What dies together with a process: everything in its process `group`, or its direct `children`.
 * A Postgres needs the second: each backend opens a session of its own, so the group holds only the postmaster.
 */
export type Reach = "group" | "children";

/** SIGKILLs a process with all that belongs to it; returns every pid that was killed. */
export function killWhole(pid: number, reach: Reach): number[] {
  switch (reach) {
    case "group": {
      const members = livingProcesses().filter((row) => row.groupId === pid).map((row) => row.pid);
      signal(-pid, "SIGKILL");
      return members;
    }
    case "children": {
      // Frozen first, so that nothing is forked between the listing and the kill.
      signal(pid, "SIGSTOP");
      const children = livingProcesses().filter((row) => row.parentPid === pid).map((row) => row.pid);
      const doomed = [pid, ...children];
      for (const each of doomed) signal(each, "SIGKILL");
      return doomed;
    }
  }
}

/** Resolves when none of `pids` runs any more. A kill that the kernel does not carry out within `capMs` is an error. */
export async function untilGone(pids: readonly number[], capMs = 30_000): Promise<void> {
  const startedAt = performance.now();
  for (let left = stillAlive(pids); left.length > 0; left = stillAlive(left)) {
    if (performance.now() - startedAt > capMs) throw new Error(`still running after ${capMs} ms: ${left.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Sends a signal; a process that has already ended is no error. A negative pid is a process group. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
