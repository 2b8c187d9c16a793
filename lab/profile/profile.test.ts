import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { groupOf, summaryOfProfiles, type CpuProfile } from "./cpu-profile.ts";
import { parseProfile } from "./options.ts";
import { profileFigures, profileText, type Probed } from "./summary.ts";

const frame = (id: number, functionName: string, url = ""): CpuProfile["nodes"][number] => ({ id, callFrame: { functionName, url, lineNumber: 4 } });
const profile: CpuProfile = {
  nodes: [frame(1, "(idle)"), frame(2, "decide", new URL("../../toolkit/src/protocol/saga.ts", import.meta.url).href), frame(3, "(garbage collector)")],
  samples: [1, 2, 3, 2],
  timeDeltas: [5_000, 2_000, 1_000, 1_000],
};

test("own time is the sum of a function's samples, and idle time is nobody's", () => {
  const { busyMs, idleMs, functions, groups } = summaryOfProfiles([{ startedMs: 0, profile }, { startedMs: 100, profile }, { startedMs: 990, profile }], { fromMs: 0, toMs: 200 });
  assert.deepEqual([busyMs, idleMs], [8, 10]);
  assert.deepEqual(functions, [
    { name: "decide toolkit/src/protocol/saga.ts:5", ms: 6, share: 0.75 },
    { name: "(garbage collector)", ms: 2, share: 0.25 },
  ]);
  assert.deepEqual(groups.map(({ name }) => name), ["toolkit/src/protocol", "(garbage collector)"]);
});

test("files are grouped by package, by folder, or as Node's", () => {
  assert.equal(groupOf("node_modules/@fastify/x/lib/a.js"), "npm @fastify/x");
  assert.equal(groupOf("node_modules/pg/lib/client.js"), "npm pg");
  assert.equal(groupOf("node:net"), "node");
  assert.equal(groupOf("flash-sale/orders/ledger.ts"), "flash-sale/orders");
});

test("pauses and delays stand beside the compensations that they fell into", () => {
  const probed: Probed = {
    startedMs: 0,
    pauses: [{ atMs: 1_050, ms: 20 }, { atMs: 5_000, ms: 90 }],
    samples: [
      { atMs: 950, loopMaxMs: 1, allocatedBytes: 1_000, heapBytes: 5 },
      { atMs: 1_100, loopMaxMs: 25, allocatedBytes: 41_000, heapBytes: 5 },
      { atMs: 9_000, loopMaxMs: 99, allocatedBytes: 900_000, heapBytes: 5 },
    ],
  };
  const figures = profileFigures({ seed: 1, mode: "saga", compensated: [{ fromMs: 1_000, toMs: 1_080 }, { fromMs: 1_090, toMs: 1_095 }], probed: [probed], profiles: [{ startedMs: 1_000, profile }], files: ["x.cpuprofile"] });
  assert.deepEqual([figures.gc, figures.loopMaxMs, figures.allocatedBytesEach], [{ pauses: 1, totalMs: 20, maxMs: 20 }, 25, 20_000]);
  assert.deepEqual(figures.slowest.map(({ ms, gcMs, loopMaxMs }) => [ms, gcMs, loopMaxMs]), [[80, 20, 25], [5, 0, 25]]);
  assert.match(profileText(figures), /^2 compensations in mode saga/);
});

test("the probe profiles a process that knows nothing of it", () => {
  const folder = mkdtempSync(join(tmpdir(), "tripact-probe-"));
  try {
    const program = "let all = []; const end = Date.now() + 300; while (Date.now() < end) { all.push({ n: all.length }); if (all.length > 1e5) all = []; } setTimeout(() => process.exit(0), 150);";
    const probe = fileURLToPath(new URL("./probe.ts", import.meta.url));
    execFileSync(process.execPath, ["-e", program], { env: { ...process.env, NODE_OPTIONS: `--import=${JSON.stringify(probe)}`, PROFILE_FOLDER: folder, WORKER: "w" }, timeout: 30_000 });
    const read = (ending: string): unknown => JSON.parse(readFileSync(join(folder, readdirSync(folder).find((name) => name.endsWith(ending)) ?? ""), "utf8"));
    const { startedMs, pauses, samples } = read(".probe.json") as Probed;
    assert.ok(Math.abs(startedMs - Date.now()) < 60_000);
    assert.ok(summaryOfProfiles([{ startedMs, profile: read(".cpuprofile") as CpuProfile }], { fromMs: 0, toMs: Infinity }).busyMs > 50);
    assert.ok(pauses.length > 0);
    assert.ok((samples.at(-1)?.allocatedBytes ?? 0) > 1_000_000);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("options are checked at the door", () => {
  assert.equal(parseProfile([]).mode, "saga");
  assert.throws(() => parseProfile(["--mode", "sagas"]), { code: "bad-usage" });
});
