import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const ciRun = fileURLToPath(new URL("../.ci/run", import.meta.url));

/** What `npm` answers to each of its four calls: an exit code, and what `npm test` prints. */
type Npm = { ci?: number; types?: number; lint?: number; test?: number; prints?: string };

const cases: { says: string; npm: Npm; lastLine: string; exitCode: number }[] = [
  { says: "passes", npm: {}, lastLine: "7 passed, 0 failed", exitCode: 0 },
  { says: "keeps what was skipped", npm: { prints: "7 passed, 0 failed, 2 skipped" }, lastLine: "7 passed, 0 failed, 2 skipped", exitCode: 0 },
  { says: "fails with a test", npm: { test: 1, prints: "6 passed, 1 failed" }, lastLine: "6 passed, 1 failed", exitCode: 1 },
  { says: "counts the linter", npm: { lint: 1 }, lastLine: "7 passed, 1 failed", exitCode: 1 },
  { says: "counts every check, whatever failed before", npm: { types: 2, lint: 1, test: 1, prints: "6 passed, 1 failed" }, lastLine: "6 passed, 3 failed", exitCode: 1 },
  { says: "does not believe a sum that the exit code denies", npm: { test: 7 }, lastLine: "7 passed, 1 failed", exitCode: 1 },
  { says: "does not take silence for success", npm: { prints: "" }, lastLine: "0 passed, 1 failed", exitCode: 1 },
  { says: "does not take an empty run for success", npm: { prints: "0 passed, 0 failed" }, lastLine: "0 passed, 1 failed", exitCode: 1 },
  { says: "fails when the install does", npm: { ci: 1 }, lastLine: "0 passed, 1 failed", exitCode: 1 },
];

describe(".ci/run", { skip: process.platform === "win32" && "it is a bash script" }, () => {
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tripact-ci-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const { says, npm, lastLine, exitCode } of cases) {
    test(says, () => {
      writeNpm(folder, npm);
      const env = { ...process.env, PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}` };
      const run = spawnSync("bash", [ciRun], { env, encoding: "utf8" });
      assert.deepEqual({ lastLine: run.stdout.trimEnd().split("\n").at(-1), exitCode: run.status }, { lastLine, exitCode });
    });
  }
});

/** Puts a program named `npm` into `folder`, which is first on the path. */
function writeNpm(folder: string, { ci = 0, types = 0, lint = 0, test: tests = 0, prints = "7 passed, 0 failed" }: Npm): void {
  const program = `#!/bin/sh
case "$*" in
  ci*) exit ${ci} ;;
  *types) exit ${types} ;;
  *lint) exit ${lint} ;;
  test) printf '%s\\n' '${prints}'; exit ${tests} ;;
esac
exit 99
`;
  writeFileSync(join(folder, "npm"), program);
  chmodSync(join(folder, "npm"), 0o755);
}
