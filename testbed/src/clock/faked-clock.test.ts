import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import test from "node:test";
import { Client } from "pg";
import { spawnLeashed } from "../leash/leash.ts";
import { startPostgres } from "../postgres/postgres.ts";
import { createFakedClock, whyNoFakedClock } from "./faked-clock.ts";

const skip = whyNoFakedClock() ?? false;
const HOUR_MS = 3_600_000;
/** Far more than a loaded machine takes to answer, and far less than an hour. */
const NEAR_MS = 300_000;

function assertAhead(seenMs: number, aheadMs: number): void {
  const ms = seenMs - Date.now();
  assert.ok(Math.abs(ms - aheadMs) < NEAR_MS, `${ms} ms ahead instead of ${aheadMs}`);
}

test("a Node sees the wall clock jump and come back, and its monotonic clock go on; killed, it leaves nothing", { skip }, async () => {
  const clock = await createFakedClock();
  const script = `process.stdin.on("data", () => console.log(JSON.stringify([Date.now(), performance.now()])))`;
  const env = { PATH: process.env["PATH"], ...clock.environment("many") };
  const child = await spawnLeashed({ command: process.execPath, args: ["--eval", script], env, stdio: ["pipe", "pipe", "inherit"] });
  assert.ok(child.stdout && child.stdin);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (): Promise<readonly [number, number]> => {
    child.stdin?.write("?");
    const line = await lines.next();
    return JSON.parse(String(line.value)) as [number, number];
  };
  const [rightMs, monotonicMs] = await ask();
  assertAhead(rightMs, 0);
  clock.setAhead(HOUR_MS);
  const [aheadMs, laterMs] = await ask();
  assertAhead(aheadMs, HOUR_MS);
  assert.ok(laterMs >= monotonicMs && laterMs - monotonicMs < NEAR_MS);
  clock.setAhead(0);
  assertAhead((await ask())[0], 0);
  const share = `/dev/shm/faketime_shm_${child.pid}`;
  assert.ok(existsSync(share));
  await child.killWhole();
  clock.remove();
  clock.remove();
  assert.ok(!existsSync(share));
});

test("a Postgres: an old session and a new one see the jump", { skip }, async (t) => {
  const clock = await createFakedClock();
  const server = await startPostgres({ environment: clock.environment("one") });
  t.after(async () => {
    await server.remove();
    clock.remove();
  });
  const session = async (): Promise<Client> => {
    const client = new Client({ connectionString: server.url() });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  };
  const now = async (client: Client): Promise<number> => Number((await client.query<{ ms: string }>("select extract(epoch from clock_timestamp()) * 1000 as ms")).rows[0]?.ms);
  const old = await session();
  assertAhead(await now(old), 0);
  clock.setAhead(HOUR_MS);
  assertAhead(await now(old), HOUR_MS);
  const fresh = await session();
  assertAhead(await now(fresh), HOUR_MS);
  clock.setAhead(0);
  assertAhead(await now(old), 0);
  assertAhead(await now(fresh), 0);
  await Promise.all([old.end(), fresh.end()]);
});
