import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { pathToFileURL } from "node:url";
import { takeTurn } from "./turn.ts";
import type { Contestant } from "./turn.ts";

const folder = mkdtempSync(join(tmpdir(), "tripact-bench-"));
after(() => rmSync(folder, { recursive: true }));

function contestantOf(name: string, source: string): Contestant {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, source);
  return { name, about: "", runner: pathToFileURL(file), inFlight: [50, 500] };
}

const task = { databaseUrl: "postgres://127.0.0.1/turn_1", measureMs: 10 };
const runnerModule = new URL("runner.ts", import.meta.url).href;

test("a runner learns what it is to do, and its figures come back", async () => {
  const runner = contestantOf(
    "told",
    `import { runEngine } from ${JSON.stringify(runnerModule)};
     await runEngine(async (task) => {
       if (task.databaseUrl !== "postgres://127.0.0.1/turn_1" || task.measureMs !== 10) throw new Error("told something else");
       return { once: () => new Promise((resolve) => setImmediate(resolve)), stop: async () => {} };
     });`,
  );
  const seen: string[] = [];
  const turn = await takeTurn({ ...runner, inFlight: [2, 3] }, { ...task, onLine: (line) => seen.push(line.kind) });
  assert.equal(turn.failure, undefined);
  assert.deepEqual(
    turn.lines.map((line) => (line.kind === "measured" ? [line.measurement.name, line.measurement.inFlight] : line)),
    [["told", 2], ["told", 3]],
  );
  assert.deepEqual(seen, ["measured", "measured"]);
});

test("what an engine logs is not a figure", async () => {
  const figure = JSON.stringify({ kind: "figure", name: "answer", value: 42 });
  const chatty = contestantOf("chatty", `console.log("[engine] started"); console.log('{"level":30}'); console.log(${JSON.stringify(figure)});`);
  const { lines } = await takeTurn(chatty, task);
  assert.deepEqual(lines, [{ kind: "figure", name: "answer", value: 42 }]);
});

test("a level that fails is named, and the others still count", async () => {
  const runner = contestantOf(
    "half",
    `import { runEngine } from ${JSON.stringify(runnerModule)};
     await runEngine(async () => ({
       once: async (worker) => { await new Promise((resolve) => setImmediate(resolve)); if (worker >= 2) throw new Error("too many"); },
       stop: async () => {},
     }));`,
  );
  const { lines, failure } = await takeTurn({ ...runner, inFlight: [2, 3] }, task);
  assert.equal(failure, undefined);
  assert.deepEqual(lines.map((line) => line.kind), ["measured", "level-failed"]);
  assert.deepEqual(lines[1], { kind: "level-failed", inFlight: 3, reason: "too many" });
});

test("a crash becomes the reason", async () => {
  const broken = contestantOf("broken", `throw new TypeError("no such engine");`);
  assert.deepEqual(await takeTurn(broken, task), { lines: [], failure: "TypeError: no such engine" });
});

test("an end without a word still has a reason", async () => {
  const silent = contestantOf("silent", "process.exit(7);");
  assert.deepEqual(await takeTurn(silent, task), { lines: [], failure: "ended with code 7" });
});
