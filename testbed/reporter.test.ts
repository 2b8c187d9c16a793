import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { leashedFolder, removeLeashedFolder, spawnLeashed } from "./src/leash/leash.ts";

test("counts what passed, failed and was skipped; the last line is the sum, and the exit code stays node's", async () => {
  const { output, code } = await runTests({
    "mixed.test.mjs": `
      import test, { describe } from "node:test";
      import assert from "node:assert/strict";
      test("good", (t) => { t.diagnostic("worth knowing"); });
      test("bad", () => { assert.equal(1, 2); });
      test("elsewhere", { skip: "no server here" }, () => {});
      test("later", { todo: "next issue" }, () => { throw new Error("not yet"); });
      describe("group", () => { test("in the group", () => {}); });
      describe("broken group", () => { test("bad in the group", () => { throw new Error("inner"); }); });`,
  });
  assert.equal(lastLine(output), "2 passed, 2 failed, 2 skipped");
  assert.equal(code, 1);
  assert.match(output, /✖ bad\n {2}\S*mixed\.test\.mjs:5\n[^]*1 !== 2/);
  assert.match(output, /Error: inner/);
  assert.match(output, /⊘ elsewhere: skipped \(no server here\)/);
  assert.match(output, /⊘ later: to do \(next issue\)/);
  assert.match(output, /worth knowing/);
  assert.match(output, /✖ \S*mixed\.test\.mjs {2}2 passed, 2 failed, 2 skipped {2}\d+ ms/);
});

test("in a run of many files, failures stand once more where the end of the log is read", async () => {
  const bad = (name: string): string => `import test from "node:test"; test("${name}", () => { throw new Error("inner ${name}"); });`;
  const { output } = await runTests({ "one.test.mjs": bad("first"), "two.test.mjs": bad("second"), "zero.test.mjs": `import test from "node:test"; test("good", () => {});` });
  const again = output.slice(output.indexOf("What failed, once more:"));
  assert.match(again, /✖ first\n[^]*inner first[^]*✖ second\n[^]*inner second/);
  assert.equal(lastLine(output), "1 passed, 2 failed");
});

test("a run in which all is well", async () => {
  const { output, code } = await runTests({ "good.test.mjs": `import test from "node:test"; test("good", () => {});`, "empty.test.mjs": "" });
  assert.equal(lastLine(output), "1 passed, 0 failed");
  assert.doesNotMatch(output, /once more/);
  assert.equal(code, 0);
});

test("a file whose process dies counts as failed, with how it died", async () => {
  const { output, code } = await runTests({ "dies.test.mjs": "process.exit(3);" });
  assert.equal(lastLine(output), "0 passed, 1 failed");
  assert.equal(code, 1);
  assert.match(output, /dies\.test\.mjs[^]*exit code 3/);
});

test("a hook that fails is a failure", async () => {
  const { output, code } = await runTests({
    "hook.test.mjs": `import test, { after } from "node:test"; after(() => { throw new Error("left something"); }); test("good", () => {});`,
  });
  assert.match(lastLine(output), /^1 passed, 1 failed$/);
  assert.equal(code, 1);
});

async function runTests(files: Readonly<Record<string, string>>): Promise<{ output: string; code: number | null }> {
  const folder = leashedFolder("/var/tmp/tripact-reporter-test-");
  for (const [name, source] of Object.entries(files)) writeFileSync(join(folder, name), source);
  // Without this a runner inside a runner reports to the outer one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const reporter = fileURLToPath(import.meta.resolve("./reporter.ts"));
  const runner = await spawnLeashed({
    command: process.execPath,
    args: ["--test", `--test-reporter=${reporter}`, ...Object.keys(files)],
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.ok(runner.stdout);
  const [output, { code }] = await Promise.all([text(runner.stdout), runner.exited]);
  removeLeashedFolder(folder);
  return { output, code };
}

function lastLine(output: string): string {
  return output.trimEnd().split("\n").at(-1) ?? "";
}
