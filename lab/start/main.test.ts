import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, leashedFolder, removeLeashedFolder, spawnLeashed, stillAlive, type LeashedProcess } from "@tripact/testbed";
import { FLASH_SALE_FOLDER } from "../platform/platform.ts";
import { fixtureServices } from "../platform/services.fixture.ts";
import type { Results } from "./figures.ts";

// Real processes and real Postgres pairs under `npm start`; only the services are stand-ins, but for one test.

const MAIN = fileURLToPath(import.meta.resolve("./main.ts"));
let servicesFolder: string;
let deafFolder: string;
let jsonFolder: string;
before(() => {
  servicesFolder = fixtureServices();
  deafFolder = fixtureServices("deaf");
  jsonFolder = leashedFolder("/var/tmp/tripact-start-test-");
});
after(() => {
  removeLeashedFolder(servicesFolder);
  removeLeashedFolder(deafFolder);
  removeLeashedFolder(jsonFolder);
});

interface Start {
  readonly child: LeashedProcess;
  readonly port: number;
  readonly lines: string[];
  /** The first line on either stream that fits, already seen or not. */
  line(pattern: RegExp): Promise<string>;
  /** Itself and everything below it, now. */
  family(): readonly number[];
}

async function start(args: readonly string[], { port, env = {} }: { port?: number; env?: Record<string, string> } = {}): Promise<Start> {
  const at = port ?? (await freePort());
  const child = await spawnLeashed({
    command: process.execPath,
    args: [MAIN, "--port", String(at), "--rate", "50", ...args],
    // With the runner's own conditions, or the services would run on what was built of the toolkit some time ago.
    env: { PATH: process.env["PATH"], NODE_OPTIONS: process.env["NODE_OPTIONS"], LAB_SERVICES: servicesFolder, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const look of [...waiting]) look();
    });
  }
  return {
    child,
    port: at,
    lines,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.find((line) => pattern.test(line));
          if (found === undefined) return;
          waiting.delete(look);
          resolve(found);
        };
        waiting.add(look);
        look();
        void child.exited.then(() => setTimeout(() => reject(new Error(`it ended without ${String(pattern)}:\n${lines.join("\n")}`)), 200));
      }),
    family: () => [child.pid, ...descendantsOf(child.pid)],
  };
}

function descendantsOf(pid: number): number[] {
  const rows = readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid: Number(entry), parent: Number(parent) }];
    } catch {
      return [];
    }
  });
  const below = (parent: number): number[] => rows.filter((row) => row.parent === parent).flatMap((row) => [row.pid, ...below(row.pid)]);
  return below(pid);
}

async function untilAllGone(pids: readonly number[], capMs = 15_000): Promise<void> {
  const deadline = performance.now() + capMs;
  while (stillAlive(pids).length > 0) {
    assert.ok(performance.now() < deadline, `still alive: ${stillAlive(pids).join(", ")} of ${pids.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function wordsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    // It has ended.
    return [];
  }
}

/** Of the Postgres servers among them: `postgres -D FOLDER`; a process that one of them has just begun says so too. */
function dataFoldersOf(pids: readonly number[]): readonly string[] {
  return [...new Set(pids.flatMap((pid) => {
    const words = wordsOf(pid);
    const folder = words[words.indexOf("-D") + 1];
    return words[0]?.endsWith("postgres") === true && folder !== undefined ? [folder] : [];
  }))];
}

const onlyLinux = { skip: existsSync("/proc/self/stat") ? false : "families are read from /proc" };

test("one mode, once: the page's address first, then the table and the file; what nobody could judge is no zero", async () => {
  const jsonFile = `${jsonFolder}/figures.json`;
  const one = await start(["--once", "--mode", "saga", "--seconds", "1", "--units", "7", "--seed", "5", "--no-kill", "--json", jsonFile]);
  assert.match(await one.line(/page/), new RegExp(`^The shop's page: http://127.0.0.1:${one.port}/`));
  assert.deepEqual(await one.child.exited, { code: 3, signal: null });
  assert.match(one.lines.find((line) => line.startsWith("saga  ")) ?? "", /^saga +50 +50 +0 +0 +0 +0 +\? +\? +\? +\? +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +- +- +- +- +-$/);
  assert.ok(one.lines.includes("BROKEN PROMISE: saga: stuck is not known"));
  const { modes, load, seed, incomplete } = JSON.parse(readFileSync(jsonFile, "utf8")) as Results;
  assert.deepEqual([seed, load, incomplete], [5, { ratePerSecond: 50, seconds: 1, units: 7, plentyPerSecond: 50, primaryKilledPerSecond: null }, null]);
  assert.equal(modes.saga?.accepted, 50);
  assert.deepEqual([modes.saga?.stuck, modes.saga?.primaryKilled], [null, null]);
});

test("the primary killed under the real flash sale: a row with RTO and RPO, and the file with them", { timeout: 550_000 }, async (t) => {
  const jsonFile = `${jsonFolder}/killed.json`;
  const one = await start(["--once", "--mode", "saga", "--seconds", "4", "--units", "20", "--json", jsonFile], { env: { LAB_SERVICES: FLASH_SALE_FOLDER } });
  const { code } = await one.child.exited;
  for (const line of one.lines.filter((each) => /^(saga[ ,]|BROKEN|INCOMPLETE)/.test(each))) t.diagnostic(line);
  // How fast it came back, and whether this machine had the time to judge it all, is not asserted; that it was looked at, and that nothing was lost, is.
  const row = one.lines.findLast((line) => line.startsWith("saga  ")) ?? assert.fail(`there is no row:\n${one.lines.slice(-12).join("\n")}`);
  assert.match(row, / (>?[\d,]+|\?) +(>?[\d,]+|\?) +0$/);
  const { modes, load, incomplete } = JSON.parse(readFileSync(jsonFile, "utf8")) as Results;
  assert.deepEqual([load.primaryKilledPerSecond, incomplete], [30, null]);
  const killed = modes.saga?.primaryKilled ?? assert.fail("there is no figure of the kill");
  assert.equal(killed.lost, 0);
  assert.ok((killed.outageMs ?? 0) > 0, "the database was not seen down");
  assert.match(killed.replay, /^npm run lab -- --modes saga --faults primary-killed /);
  // The sale before the kill may not have been judged either.
  const broken = one.lines.some((line) => line.startsWith("BROKEN PROMISE"));
  assert.equal(code, killed.verdict === "valid" && !broken ? 0 : 3);
  assert.ok(one.lines.some((line) => /saga × primary-killed, .*left/.test(line)), "nobody said how long it still takes");
});

test("Ctrl-C while the primary is being killed: what was measured until then is told, marked incomplete, and nothing is left", onlyLinux, async () => {
  const jsonFile = `${jsonFolder}/incomplete.json`;
  const one = await start(["--once", "--mode", "naive", "--seconds", "1", "--json", jsonFile]);
  await one.line(/naive × primary-killed, .*: (warming up|baseline)/);
  const family = one.family();
  const dataFolders = dataFoldersOf(family);
  assert.equal(dataFolders.length, 4);
  one.child.kill("SIGINT");
  assert.deepEqual(await one.child.exited, { code: 130, signal: null });
  assert.ok(one.lines.includes("INCOMPLETE: interrupted after 0 of 1 modes"));
  assert.match(one.lines.find((line) => line.startsWith("naive  ")) ?? "", /^naive +50 .* +- +- +-$/);
  const { modes, incomplete } = JSON.parse(readFileSync(jsonFile, "utf8")) as Results;
  assert.deepEqual([incomplete, modes.naive?.accepted, modes.naive?.primaryKilled], ["interrupted after 0 of 1 modes", 50, null]);
  await untilAllGone(family);
  assert.deepEqual(dataFolders.filter((path) => existsSync(path)), []);
});

test("Ctrl-C in mid-run: a line, a clean stop, nothing left, and its port and a second start are free", onlyLinux, async () => {
  const one = await start(["--seconds", "60"]);
  await one.line(/requests\/s/);
  const family = one.family();
  // itself, leash, two Postgres, five services and a gateway, generator
  assert.ok(family.length > 11, `${family.length} processes`);
  const dataFolders = dataFoldersOf(family);
  assert.equal(dataFolders.length, 2);
  one.child.kill("SIGINT");
  await one.line(/^Stopping every process/);
  assert.deepEqual(await one.child.exited, { code: 130, signal: null });
  await untilAllGone(family);
  assert.deepEqual(dataFolders.filter((path) => existsSync(path)), []);
  const second = await start(["--once", "--mode", "naive", "--seconds", "1", "--no-kill"], { port: one.port });
  assert.deepEqual(await second.child.exited, { code: 0, signal: null });
});

test("Ctrl-C twice does not wait for anybody", onlyLinux, async () => {
  const one = await start(["--seconds", "60", "--mode", "tcc"], { env: { LAB_SERVICES: deafFolder } });
  await one.line(/requests\/s/);
  const family = one.family();
  one.child.kill("SIGINT");
  await one.line(/^Stopping every process/);
  one.child.kill("SIGINT");
  assert.deepEqual(await one.child.exited, { code: 130, signal: null });
  await untilAllGone(family);
});

test("a SIGKILL leaves nothing either", onlyLinux, async () => {
  const one = await start(["--seconds", "60", "--mode", "outbox"]);
  await one.line(/requests\/s/);
  const family = one.family();
  one.child.kill("SIGKILL");
  await untilAllGone(family);
});

test("without --once the shop stays open until Ctrl-C", async () => {
  const one = await start(["--mode", "naive", "--seconds", "1", "--no-kill"]);
  await one.line(/^The shop is open in mode naive/);
  const response = await fetch(`http://127.0.0.1:${one.port}/health`);
  await response.text();
  assert.equal(response.status, 200);
  one.child.kill("SIGINT");
  assert.deepEqual(await one.child.exited, { code: 0, signal: null });
});

test("a port that somebody else has is named, with the option that helps, before anything is started", async () => {
  const other = createServer().listen(0, "127.0.0.1").unref();
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  const one = await start(["--once"], { port });
  assert.deepEqual(await one.child.exited, { code: 1, signal: null });
  await one.line(new RegExp(`^port ${port} of 127.0.0.1 cannot be had .*--port N$`));
  assert.equal(one.lines.some((line) => line.includes("PostgreSQL")), false);
  other.close();
});

test("an option that is wrong ends with the usage, one for help with nothing else", async () => {
  const wrong = await start(["--mode", "sagas"]);
  assert.deepEqual(await wrong.child.exited, { code: 2, signal: null });
  await wrong.line(/^--mode is one of naive, .* got "sagas"$/);
  const help = await start(["--help"]);
  assert.deepEqual(await help.child.exited, { code: 0, signal: null });
  await help.line(/^npm start -- \[options\]$/);
});
