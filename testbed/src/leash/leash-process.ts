/**
 * The leash itself: a small process that outlives its parent by a moment. It is told, one JSON line each on its
 * standard input, what the parent has started; when that pipe closes, however the parent ended, it kills and deletes all of it.
 */
import { createInterface } from "node:readline";
import { killWhole, untilGone, type Reach } from "./kill-whole.ts";
import { mountImage, unmount, unmountForGood, type Mount } from "../disk/mount.ts";
import { removeClockShare, removeFolder } from "./remains.ts";

export type LeashOrder =
  | { readonly kind: "hold-process"; readonly pid: number; readonly reach: Reach }
  | { readonly kind: "release-process"; readonly pid: number }
  | { readonly kind: "hold-folder"; readonly path: string }
  | { readonly kind: "release-folder"; readonly path: string }
  | { readonly kind: "hold-mount"; readonly mount: Mount }
  | { readonly kind: "release-mount"; readonly mount: Mount };

const processes = new Map<number, Reach>();
const folders = new Set<string>();
/** By their folders. */
const mounts = new Map<string, Mount>();

function follow(order: LeashOrder): void {
  switch (order.kind) {
    case "hold-process":
      processes.set(order.pid, order.reach);
      return;
    case "release-process":
      processes.delete(order.pid);
      return;
    case "hold-folder":
      folders.add(order.path);
      return;
    case "release-folder":
      folders.delete(order.path);
      return;
    case "hold-mount":
      mounts.set(order.mount.folder, order.mount);
      return;
    case "release-mount":
      mounts.delete(order.mount.folder);
      return;
  }
}

/** Whatever cannot be killed or deleted must not keep the rest. */
async function cleanUp(): Promise<void> {
  const killed = [...processes].flatMap(([pid, reach]) => killWhole(pid, reach));
  await untilGone(killed).catch(() => {});
  killed.forEach(removeClockShare);
  // A disk that was left without power tells nothing of the servers that lived on it.
  for (const mount of mounts.values()) await unmount(mount).then(() => mountImage(mount)).catch(() => {});
  // What was made last lies within what was made before.
  for (const path of [...folders].toReversed()) {
    try {
      for (const mount of mounts.values()) if (mount.folder.startsWith(`${path}/`)) await unmountForGood(mount);
      removeFolder(path);
    } catch {
      process.exitCode = 1;
    }
  }
}

// Only the pipe ends a leash: a Ctrl-C meant for the parent must not take it first.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const order: LeashOrder = JSON.parse(line) as LeashOrder;
  follow(order);
}
await cleanUp();
