import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, stillAlive } from "@tripact/testbed";
import { CPU_IS_MEASURED } from "./cpu.ts";
import { PlatformProcess, type ProcessPlan } from "./process.ts";

const ENTRY = fileURLToPath(import.meta.resolve("./service.fixture.ts"));
const mine: PlatformProcess[] = [];
afterEach(async () => {
  await Promise.all(mine.splice(0).map((process) => process.stop()));
});

async function processWith(more: Partial<ProcessPlan> = {}): Promise<{ process: PlatformProcess; port: number }> {
  const port = await freePort();
  const process = new PlatformProcess({ name: "stock", entry: ENTRY, ...more, settings: { PORT: String(port), WORKER: "stock", ...more.settings } });
  mine.push(process);
  return { process, port };
}

async function health(port: number, timeoutMs = 5_000): Promise<"answers" | "refuses" | "silent"> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(timeoutMs) });
    await response.text();
    return response.ok ? "answers" : "refuses";
  } catch (error) {
    return error instanceof Error && error.name === "TimeoutError" ? "silent" : "refuses";
  }
}

async function until(what: string, reached: () => boolean | Promise<boolean>, capMs = 15_000): Promise<void> {
  const deadline = performance.now() + capMs;
  while (!(await reached())) {
    assert.ok(performance.now() < deadline, `not within ${capMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a process is started once it says that it is ready, and is gone once it is stopped", async () => {
  const { process, port } = await processWith();
  await process.start();
  assert.equal(await health(port), "answers");
  const pid = process.pid;
  assert.ok(pid !== undefined && process.up);
  await process.stop();
  assert.deepEqual(stillAlive([pid]), []);
  assert.equal(process.up, false);
  await process.stop();
});

test("its environment is what it was given, and nothing of ours", async () => {
  process.env["LAB_SECRET_OF_THE_PARENT"] = "seen";
  const { process: one, port } = await processWith();
  await one.start();
  delete process.env["LAB_SECRET_OF_THE_PARENT"];
  const { settings } = (await (await fetch(`http://127.0.0.1:${port}/health`)).json()) as { settings: Record<string, string> };
  // NODE_OPTIONS where npm has set it: the services run the same `tripact` as this process.
  assert.deepEqual(Object.keys(settings).filter((name) => !name.startsWith("__") && name !== "NODE_OPTIONS").toSorted(), ["NODE_COMPILE_CACHE", "PATH", "PORT", "TZ", "WORKER"]);
});

test("a killed process stays down, and can be started again at the same port", async () => {
  const { process, port } = await processWith();
  await process.start();
  const first = process.pid;
  assert.ok(first !== undefined);
  await process.kill();
  assert.deepEqual(stillAlive([first]), []);
  assert.equal(await health(port), "refuses");
  await process.start();
  assert.notEqual(process.pid, first);
  assert.equal(await health(port), "answers");
  assert.equal(process.restarts, 0);
});

test("a paused process is silent but not gone; it goes on where it stood", async () => {
  const { process, port } = await processWith();
  await process.start();
  process.pause();
  assert.equal(await health(port, 300), "silent");
  assert.ok(process.up);
  process.resume();
  assert.equal(await health(port), "answers");
});

test("a paused process can be stopped, and one that is deaf to the signal is killed", async () => {
  const paused = await processWith();
  await paused.process.start();
  paused.process.pause();
  const deaf = await processWith({ settings: { FIXTURE: "deaf" }, stopCapMs: 200 });
  await deaf.process.start();
  const pids = [paused.process.pid ?? 0, deaf.process.pid ?? 0];
  assert.equal(stillAlive(pids).length, 2);
  await Promise.all([paused.process.stop(), deaf.process.stop()]);
  assert.deepEqual(stillAlive(pids), []);
});

test("a supervised process comes back after a kill, again and again, and not after a stop", async () => {
  const { process, port } = await processWith({ restartAfterMs: 20 });
  await process.start();
  for (const times of [1, 2]) {
    await process.kill();
    await until(`back ${times} times`, () => process.up && process.restarts === times);
    assert.equal(await health(port), "answers");
  }
  const { pid } = process;
  await process.stop();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(process.pid, undefined);
  assert.deepEqual(stillAlive([pid ?? 0]), []);
});

test("one that is killed with its supervisor stays down until it is started", async () => {
  const { process, port } = await processWith({ restartAfterMs: 20 });
  await process.start();
  await process.killForGood();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([process.pid, process.restarts], [undefined, 0]);
  await process.start();
  assert.equal(await health(port), "answers");
  await process.kill();
  await until("supervised again", () => process.up && process.restarts === 1);
});

test("an end before it is ready names the process and tells its last words", async () => {
  const { process } = await processWith({ settings: { FIXTURE: "ends" } });
  await assert.rejects(process.start(), { code: "not-ready", message: /^stock ended with code 3 before it was ready.*\n.*\nDATABASE_URL is not set$/s });
  assert.equal(process.pid, undefined);
});

test("one that never is ready is killed when its time is over, and named", async () => {
  const { process } = await processWith({ settings: { FIXTURE: "hangs" }, startCapMs: 1_500 });
  const starting = process.start();
  await until("it runs", () => process.pid !== undefined);
  const { pid } = process;
  await assert.rejects(starting, { code: "not-ready", message: /^stock is not ready after 1500 ms/ });
  assert.deepEqual(stillAlive([pid ?? 0]), []);
});

test("a stop in mid-start ends both", async () => {
  const { process } = await processWith({ settings: { FIXTURE: "hangs" } });
  const starting = assert.rejects(process.start(), { code: "stopped" });
  await process.stop();
  await starting;
  assert.equal(process.pid, undefined);
});

test("it is not started twice", async () => {
  const { process } = await processWith();
  const first = process.start();
  await assert.rejects(process.start(), { code: "already-running" });
  await first;
  await assert.rejects(process.start(), { code: "already-running" });
});

test("its lines are heard as they come", async () => {
  const lines: string[] = [];
  const { process, port } = await processWith({ onLine: (line) => lines.push(line) });
  await process.start();
  await until("both streams", () => lines.length === 2);
  assert.deepEqual(lines.toSorted(), ["ready stock", `stock starts on ${port}`]);
  assert.equal(process.lastWords, `stock starts on ${port}`);
});

test("CPU time is counted over all lives", { skip: CPU_IS_MEASURED ? false : "only Linux tells" }, async () => {
  const { process } = await processWith();
  assert.equal(process.cpuMs(), 0);
  await process.start();
  const first = process.cpuMs() ?? 0;
  assert.ok(first > 0);
  await process.kill();
  assert.ok((process.cpuMs() ?? 0) >= first);
  await process.start();
  assert.ok((process.cpuMs() ?? 0) > first);
});
