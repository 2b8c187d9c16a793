import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Deletes a folder and, if a killed Postgres lived in it, the shared memory that the kill left in the kernel. */
export function removeFolder(path: string): void {
  removeSharedMemory(path);
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
}

/** A process with a faked clock shares its state through these, and one that was killed leaves them. */
export function removeClockShare(pid: number): void {
  for (const name of [`faketime_shm_${pid}`, `sem.faketime_sem_${pid}`]) rmSync(`/dev/shm/${name}`, { force: true });
}

/** A Postgres that stops properly deletes its `postmaster.pid`; one that was killed leaves it, with the segment's id in line 7. */
function removeSharedMemory(dataFolder: string): void {
  let pidFile: string;
  try {
    pidFile = readFileSync(join(dataFolder, "postmaster.pid"), "utf8");
  } catch {
    return;
  }
  const segmentId = /^\s*\d+\s+(\d+)\s*$/.exec(pidFile.split("\n")[6] ?? "")?.[1];
  if (segmentId === undefined) return;
  // Neither program is everywhere, and Node cannot make the call. A segment that is already gone fails in both: no harm.
  const removed = spawnSync("ipcrm", ["-m", segmentId], { stdio: "ignore" });
  const IPC_RMID = 0;
  if (removed.error !== undefined) spawnSync("perl", ["-e", `shmctl(${segmentId}, ${IPC_RMID}, 0)`], { stdio: "ignore" });
}
