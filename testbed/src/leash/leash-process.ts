/**
 * The leash itself: a small process that outlives its parent by a moment. It is told, one JSON line each on its
 * standard input, what the parent has started; when that pipe closes, however the parent ended, it kills and deletes all of it.
 */
import { createInterface } from "node:readline";
import { killWhole, untilGone, type Reach } from "./kill-whole.ts";
import { removeFolder } from "./remains.ts";

export type LeashOrder =
  | { readonly kind: "hold-process"; readonly pid: number; readonly reach: Reach }
  | { readonly kind: "release-process"; readonly pid: number }
  | { readonly kind: "hold-folder"; readonly path: string }
  | { readonly kind: "release-folder"; readonly path: string };

const processes = new Map<number, Reach>();
const folders = new Set<string>();

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
  }
}

/** Whatever cannot be killed or deleted must not keep the rest. */
async function cleanUp(): Promise<void> {
  const killed = [...processes].flatMap(([pid, reach]) => killWhole(pid, reach));
  await untilGone(killed).catch(() => {});
  for (const path of folders) {
    try {
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
