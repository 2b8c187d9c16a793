/** A file system in a file. Only root may mount one, and what is mounted outlives whoever did it. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface Mount {
  /** The file that holds the file system. */
  readonly image: string;
  readonly folder: string;
}

const ended = promisify(execFile);
const PROGRAM_CAP_MS = 30_000;
const BUSY_CAP_MS = 5_000;
const BUSY_PAUSE_MS = 50;

/** The kernel frees the loop device with the mount. What the journal holds is replayed. */
export async function mountImage({ image, folder }: Mount): Promise<void> {
  await ended("mount", ["-o", "loop,noatime", image, folder], { timeout: PROGRAM_CAP_MS });
}

/** Waits a moment for who still has a file open there. */
export async function unmount({ folder }: Mount): Promise<void> {
  const deadlineMs = performance.now() + BUSY_CAP_MS;
  for (;;) {
    try {
      await ended("umount", [folder], { timeout: PROGRAM_CAP_MS });
      return;
    } catch (error) {
      if (performance.now() > deadlineMs || !String(error).includes("busy")) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
    }
  }
}

/** At the end: off the tree, whoever still has a file open there; the kernel lets go of it with the last of them. One that is not mounted is fine. */
export async function unmountForGood(mount: Mount): Promise<void> {
  await unmount(mount).catch(() => ended("umount", ["--lazy", mount.folder], { timeout: PROGRAM_CAP_MS })).catch(() => undefined);
}
