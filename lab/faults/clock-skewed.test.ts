import assert from "node:assert/strict";
import test from "node:test";
import { createFakedClock, removeLeashedFolder, whyNoFakedClock, type FakedClock } from "@tripact/testbed";
import { Client } from "pg";
import { startDatabases } from "../platform/databases.ts";
import { startPlatform } from "../platform/platform.ts";
import { fixtureServices } from "../platform/services.fixture.ts";
import { clockSkewed } from "./clock-skewed.ts";
import type { Scene } from "./fault.ts";

const skip = whyNoFakedClock() ?? false;
const NEAR_MS = 300_000;

test("clock-skewed: the drawn one is an hour ahead and nobody else; healed, nobody is; twice does no harm", { skip }, async (t) => {
  const databases = await startDatabases({ servers: "single", endpoint: "direct", clock: "faked" });
  const worker = await createFakedClock();
  const clocks = new Map<string, FakedClock>([["orders-1", worker], ["postgres", databases.clock ?? assert.fail()]]);
  const servicesFolder = fixtureServices();
  const platform = await startPlatform({ mode: "saga", databases, servicesFolder, seed: 1, clocks });
  t.after(async () => {
    await platform.stop();
    await databases.stop();
    worker.remove();
    removeLeashedFolder(servicesFolder);
  });
  const scene: Scene = { platform, databases, clocks, watch: { timeline: [], state: "watching" }, random: () => 0 };
  // Of a service, what it dates its answers with.
  const ofService = async (name: string): Promise<number> => Date.parse((await fetch(`${platform.origins[name]}/health`)).headers.get("date") ?? "");
  const ahead = async (): Promise<string[]> => {
    const seen: readonly (readonly [string, number])[] = [["orders-1", await ofService("orders-1")], ["orders-2", await ofService("orders-2")], ["postgres", await ofPostgres(databases.primary.url())]];
    return seen.filter(([, ms]) => ms - Date.now() > 3_600_000 - NEAR_MS).map(([name]) => name);
  };
  // A server dates its answers by the second: the old second may be told once more.
  const untilAhead = async (expected: readonly string[]): Promise<void> => {
    for (let look = 0; look < 200 && (await ahead()).join() !== expected.join(); look += 1) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(await ahead(), expected);
  };
  assert.deepEqual(await ahead(), []);
  for (const victim of clockSkewed.victimsIn("saga")) {
    const heal = await clockSkewed.inject(scene, victim);
    await untilAhead([victim]);
    await heal();
    await heal();
    await untilAhead([]);
  }
  await assert.rejects(clockSkewed.inject({ ...scene, clocks: new Map() }, "postgres"), { code: "nothing-to-hit" });
});

async function ofPostgres(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ ms: string }>("select extract(epoch from clock_timestamp()) * 1000 as ms");
    return Number(rows[0]?.ms);
  } finally {
    await client.end();
  }
}
