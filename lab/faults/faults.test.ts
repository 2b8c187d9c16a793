import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { removeLeashedFolder } from "@tripact/testbed";
import { startDatabases, type Databases } from "../platform/databases.ts";
import { MODE_NAMES } from "../platform/mode-processes.ts";
import { startPlatform, type Platform } from "../platform/platform.ts";
import { fixtureServices } from "../platform/services.fixture.ts";
import { FAULTS, faultNamed } from "./all.ts";
import type { Heal, Scene } from "./fault.ts";

// Real processes and a real Postgres; the services are stand-ins.

let databases: Databases;
let platform: Platform;
let servicesFolder: string;
before(async () => {
  servicesFolder = fixtureServices();
  databases = await startDatabases({ servers: "single", endpoint: "direct" });
  platform = await startPlatform({ mode: "outbox", databases, servicesFolder, seed: 1, wires: FAULTS.flatMap(({ wires }) => wires), restartAfterMs: 50 });
});
after(async () => {
  await platform.stop();
  await databases.stop();
  removeLeashedFolder(servicesFolder);
});

const nobodyWatches: Scene["watch"] = { timeline: [], state: "watching" };
const inject = (name: string, victim: string): Promise<Heal> => {
  const fault = faultNamed(name);
  assert.ok(fault, name);
  return fault.inject({ platform, databases, watch: nobodyWatches, random: () => 0 }, victim);
};

test("each has a name of its own, and something to hit in every mode but relays where no messages are", () => {
  assert.equal(new Set(FAULTS.map(({ name }) => name)).size, FAULTS.length);
  for (const fault of FAULTS) {
    const without = MODE_NAMES.filter((mode) => fault.victimsIn(mode).length === 0);
    assert.deepEqual(without, fault.name === "relay-killed" ? ["naive", "saga", "tcc"] : [], fault.name);
  }
});

for (const [name, victim] of [["coordinator-killed", "orders-2"], ["service-killed", "payment"], ["gateway-killed", "gateway-1"], ["relay-killed", "relay-1"]] as const) {
  test(`${name}: ${victim} is dead, and healed it is another one that is up; twice does no harm`, async () => {
    const killed = platform.processes.get(victim)?.pid;
    const heal = await inject(name, victim);
    assert.equal(platform.processes.get(victim)?.up, false);
    await heal();
    await heal();
    const now = platform.processes.get(victim);
    assert.ok(now?.up);
    assert.notEqual(now.pid, killed);
  });
}

test("partition: a worker's wire to the stock swallows, the stock itself answers; healed it passes", async () => {
  const wire = platform.wires.find(({ from, to }) => from === "orders" && to === "stock");
  const ask = (port: number | undefined, withinMs = 5_000): Promise<Response> => fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(withinMs) });
  const heal = await inject("partition", "stock");
  await assert.rejects(ask(wire?.proxy.port, 300), { name: "TimeoutError" });
  assert.equal((await ask(Number(new URL(platform.origins["stock"] ?? "").port))).status, 200);
  await heal();
  await heal();
  assert.equal((await ask(wire?.proxy.port)).status, 200);
});

test("paused: it answers nothing until it is woken", async () => {
  const ask = (withinMs = 5_000): Promise<Response> => fetch(`${platform.origins["orders-1"]}/health`, { signal: AbortSignal.timeout(withinMs) });
  const heal = await inject("paused", "orders-1");
  await assert.rejects(ask(300));
  await heal();
  await heal();
  assert.equal((await ask()).status, 200);
});

test("what is not there cannot be hit, and says so", async () => {
  await assert.rejects(inject("coordinator-killed", "orders-9"), { code: "nothing-to-hit" });
  await assert.rejects(inject("partition", "payment"), { code: "nothing-to-hit" });
});

test("primary killed: healed when a write was committed, and not when nobody took over", async () => {
  const step = { death: 1, atMs: 0, detail: "no standby is left" };
  const killed = faultNamed("primary-killed");
  const scene = (watch: Scene["watch"]): Scene => ({ platform, watch, random: () => 0, databases: { proxy: undefined, disk: undefined, primary: { pid: 1, url: () => "", crash: () => Promise.resolve() } } });
  await (await killed?.inject(scene({ state: "watching", timeline: [{ ...step, kind: "writable" }] }), "postgres"))?.();
  const heal = await killed?.inject(scene({ state: "gave-up", timeline: [{ ...step, kind: "gave-up" }] }), "postgres");
  await assert.rejects(heal?.() ?? Promise.resolve(), { code: "not-healed", message: /no standby is left/ });
});
