import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Readable, Writable } from "node:stream";
import { killWhole, untilGone, type Reach } from "./kill-whole.ts";
import type { LeashOrder } from "./leash-process.ts";
import type { Mount } from "../disk/mount.ts";
import { removeClockShare, removeFolder } from "./remains.ts";

export interface SpawnLeashedOptions {
  readonly command: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** The whole environment, not an addition; the parent's own when left out. */
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  /** As in `node:child_process`; default `"ignore"`. */
  readonly stdio?: StdioOptions;
  /** What dies with it, see `Reach`; default `"group"`. */
  readonly reach?: Reach;
  /** Whether the parent stays alive as long as the child runs; default true. A server that the leash may end needs no waiting for. */
  readonly keepsParentAlive?: boolean;
}

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LeashedProcess {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exited: Promise<ProcessExit>;
  /** Sends a signal to this one process; harmless when it has ended. */
  kill(signal: NodeJS.Signals): void;
  /** SIGKILLs it with all that belongs to it and resolves when everything is gone. */
  killWhole(): Promise<void>;
  /** Waits for the exit, keeping the parent alive meanwhile. */
  waitForExit(): Promise<ProcessExit>;
}

/**
 * Starts a process that cannot outlive this one: neither its end, nor Ctrl-C, nor SIGKILL. It gets a process group of
 * its own, so a Ctrl-C in the terminal reaches only us, and we decide when our servers go. Rejects when the program cannot be started.
 */
export async function spawnLeashed(options: SpawnLeashedOptions): Promise<LeashedProcess> {
  const { command, args = [], reach = "group", keepsParentAlive = true, stdio = "ignore", cwd, env, uid, gid } = options;
  openLeash(); // before the child, so that no moment is left in which nobody would know of it
  const child = spawn(command, args, {
    detached: true,
    stdio,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  });
  const pid = child.pid;
  if (pid === undefined) {
    const [error] = await once(child, "error");
    throw new Error(`cannot start ${command}`, { cause: error });
  }
  tell({ kind: "hold-process", pid, reach });
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signalName) => {
      removeClockShare(pid);
      if (reach === "children" || groupIsEmpty(pid)) tell({ kind: "release-process", pid });
      resolve({ code, signal: signalName });
    });
  });
  if (!keepsParentAlive) child.unref();
  return leashedProcess(child, pid, reach, exited);
}

function leashedProcess(child: ChildProcess, pid: number, reach: Reach, exited: Promise<ProcessExit>): LeashedProcess {
  const waitForExit = (): Promise<ProcessExit> => {
    child.ref();
    return exited;
  };
  return {
    pid,
    stdin: child.stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    exited,
    waitForExit,
    kill: (name) => {
      child.kill(name);
    },
    killWhole: async () => {
      const ended = child.exitCode !== null || child.signalCode !== null;
      // Its number may belong to somebody else by now; what is left of its group still carries it.
      if (ended && reach === "children") return;
      const killed = killWhole(pid, reach);
      await waitForExit();
      await untilGone(killed);
      tell({ kind: "release-process", pid });
    },
  };
}

/** Has a folder deleted when this process ends. */
export function leashFolder(path: string): void {
  tell({ kind: "hold-folder", path });
}

/** Makes a new empty folder whose path starts with `prefix`, deleted when this process ends. */
export function leashedFolder(prefix: string): string {
  openLeash();
  const path = mkdtempSync(prefix);
  leashFolder(path);
  return path;
}

/** Lets go of a folder without deleting it: it now belongs to somebody else, or is gone. */
export function unleashFolder(path: string): void {
  tell({ kind: "release-folder", path });
}

/** Deletes a leashed folder now. */
export function removeLeashedFolder(path: string): void {
  removeFolder(path);
  unleashFolder(path);
}

/** Has it unmounted when this process ends, before the folder goes in which it is mounted. To be said before it is mounted. */
export function leashMount(mount: Mount): void {
  tell({ kind: "hold-mount", mount });
}

export function unleashMount(mount: Mount): void {
  tell({ kind: "release-mount", mount });
}

function groupIsEmpty(groupId: number): boolean {
  try {
    process.kill(-groupId, 0);
    return false;
  } catch {
    return true;
  }
}

let leash: ChildProcess | undefined;

function openLeash(): Writable {
  if (leash?.stdin) return leash.stdin;
  const opened = spawn(process.execPath, [fileURLToPath(import.meta.resolve("./leash-process.ts"))], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  // An unheld server is worse than a failed test, so a dead leash is loud.
  opened.once("exit", (code, name) => {
    throw new Error(`the leash ended before its parent (code ${code}, signal ${name})`);
  });
  opened.unref();
  // A pipe of `spawn` is a socket: it too would keep this process alive.
  if ("unref" in opened.stdin && typeof opened.stdin.unref === "function") opened.stdin.unref();
  leash = opened;
  return opened.stdin;
}

function tell(order: LeashOrder): void {
  openLeash().write(`${JSON.stringify(order)}\n`);
}
