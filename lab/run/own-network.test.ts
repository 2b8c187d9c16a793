import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import test, { type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { spawnLeashed, stillAlive, whyNoFakedClock, whyNoPrivateNetwork, type LeashedProcess } from "@tripact/testbed";

const FIXTURE = fileURLToPath(import.meta.resolve("./own-network.fixture.ts"));
const GONE_CAP_MS = 20_000;

interface Said {
  readonly pids: readonly number[];
  readonly parent: number;
  readonly args: readonly string[];
  readonly fetched: string;
  readonly notPossible: readonly (string | null)[];
}

async function started(t: TestContext, ...args: readonly string[]): Promise<{ readonly lab: LeashedProcess; readonly said: Said }> {
  const lab = await spawnLeashed({ command: process.execPath, args: [...process.execArgv, FIXTURE, ...args], stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => lab.killWhole());
  assert.ok(lab.stdout);
  const { value } = await createInterface({ input: lab.stdout })[Symbol.asyncIterator]().next();
  return { lab, said: JSON.parse(value ?? "{}") as Said };
}

async function lacks(t: TestContext): Promise<boolean> {
  const why = await whyNoPrivateNetwork();
  if (why !== undefined) t.skip(why);
  return why !== undefined;
}

test("a fault that needs no network of its own stays where it is", async (t) => {
  const { lab, said } = await started(t, "none", "ends");
  assert.deepEqual([said.pids[0], said.notPossible], [lab.pid, [null]]);
  assert.deepEqual(await lab.exited, { code: 7, signal: null });
});

test("one that needs it starts the same command line again in there, where it is possible; its exit code is ours", async (t) => {
  if (await lacks(t)) return;
  const { lab, said } = await started(t, "loss", "ends", "--seed", "7");
  assert.deepEqual([said.parent, said.args, said.notPossible], [lab.pid, ["ends", "--seed", "7"], [null]]);
  assert.deepEqual(await lab.exited, { code: 7, signal: null });
});

test("what another fault may lack is fetched before the network is left; that it could not be is no end", async (t) => {
  if (await lacks(t)) return;
  const { lab, said } = await started(t, "loss,clock-skewed", "ends");
  assert.equal(said.fetched, whyNoFakedClock() === undefined ? `clock-skewed by ${lab.pid} ` : "");
  const without = await started(t, "loss,clock-skewed", "ends", "fails");
  assert.deepEqual([without.said.parent, without.said.fetched], [without.lab.pid, ""]);
  assert.deepEqual(await without.lab.exited, { code: 7, signal: null });
});

test("a signal arrives in there once, and is answered in good order", async (t) => {
  if (await lacks(t)) return;
  const { lab, said } = await started(t, "loss");
  lab.kill("SIGTERM");
  assert.deepEqual(await lab.exited, { code: 41, signal: null });
  await untilNoneOf(said.pids);
});

test("killed, it leaves nothing behind", async (t) => {
  if (await lacks(t)) return;
  const { lab, said } = await started(t, "loss");
  lab.kill("SIGKILL");
  await untilNoneOf(said.pids);
});

async function untilNoneOf(pids: readonly number[]): Promise<void> {
  const deadlineMs = performance.now() + GONE_CAP_MS;
  for (let left = stillAlive(pids); left.length > 0; left = stillAlive(pids)) {
    assert.ok(performance.now() < deadlineMs, `still alive: ${left.join()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
