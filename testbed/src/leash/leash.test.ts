import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { signal, untilGone } from "./kill-whole.ts";
import { spawnLeashed } from "./leash.ts";
import { livingProcesses } from "./process-table.ts";

// The three ways in which a person or a machine ends a parent. Each time everything that it started must be gone:
// a server that ignores SIGTERM, a Postgres with a busy backend, their folders, the shared memory, and the leash itself.

test("Ctrl-C ends everything", async () => {
  const family = await startFamily([]);
  signal(-family.parentPid, "SIGINT");
  await assertAllGone(family);
});

test("on the first Ctrl-C Postgres stays for the drain; the second ends everything", async () => {
  const family = await startFamily(["--stubborn"]);
  signal(-family.parentPid, "SIGINT");
  assert.equal(await family.nextLine(), "draining, Postgres still serves");
  signal(-family.parentPid, "SIGINT");
  await assertAllGone(family);
});

test("SIGKILL of the parent ends everything", async () => {
  const family = await startFamily([]);
  signal(family.parentPid, "SIGKILL");
  await assertAllGone(family);
});

test("a child that is killed whole takes its own children with it, and its exit says how it ended", async () => {
  const script = `require("node:child_process").spawn("sleep", ["1000"]); setInterval(() => {}, 1000); console.log("up")`;
  const child = await spawnLeashed({ command: process.execPath, args: ["--eval", script], stdio: ["ignore", "pipe", "inherit"] });
  assert.ok(child.stdout);
  await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const members = livingProcesses().filter((row) => row.groupId === child.pid).map((row) => row.pid);
  assert.equal(members.length, 2);
  await child.killWhole();
  await untilGone(members, 0);
  assert.deepEqual(await child.exited, { code: null, signal: "SIGKILL" });
});

test("a program that cannot be started rejects with its name", async () => {
  await assert.rejects(spawnLeashed({ command: "/no/such/program" }), /cannot start \/no\/such\/program/);
});

interface Family {
  readonly parentPid: number;
  readonly pids: readonly number[];
  readonly folders: readonly string[];
  readonly sharedMemoryId: string | undefined;
  nextLine(): Promise<string | undefined>;
}

async function startFamily(args: readonly string[]): Promise<Family> {
  const fixture = fileURLToPath(import.meta.resolve("./leash-parent.fixture.ts"));
  const parent = await spawnLeashed({ command: process.execPath, args: [fixture, ...args], stdio: ["ignore", "pipe", "inherit"] });
  assert.ok(parent.stdout);
  const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string | undefined> => {
    const { value } = await lines.next();
    return value;
  };
  const { folders } = JSON.parse((await nextLine()) ?? "{}") as { folders: string[] };
  const pids = [parent.pid, ...descendantsOf(parent.pid)];
  // parent, leash, web server, postmaster, and a handful of its own
  assert.ok(pids.length > 7, `only ${pids.length} processes`);
  const pidFile = folders.map((folder) => join(folder, "postmaster.pid")).find((path) => existsSync(path));
  assert.ok(pidFile);
  const sharedMemoryId = readFileSync(pidFile, "utf8").split("\n")[6]?.trim().split(/\s+/)[1];
  return { parentPid: parent.pid, pids, folders, sharedMemoryId, nextLine };
}

function descendantsOf(pid: number): number[] {
  const children = livingProcesses().filter((row) => row.parentPid === pid).map((row) => row.pid);
  return [...children, ...children.flatMap((child) => descendantsOf(child))];
}

async function assertAllGone(family: Family): Promise<void> {
  await untilGone(family.pids);
  assert.deepEqual(family.folders.filter((folder) => existsSync(folder)), []);
  if (!existsSync("/proc/sysvipc/shm")) return;
  const segments = readFileSync("/proc/sysvipc/shm", "utf8").split("\n").map((line) => line.trim().split(/\s+/)[1]);
  assert.ok(family.sharedMemoryId !== undefined && !segments.includes(family.sharedMemoryId), "shared memory was left");
}
