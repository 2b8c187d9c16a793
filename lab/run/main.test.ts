import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describeMachine, leashedFolder, removeLeashedFolder } from "@tripact/testbed";
import { RunFolder, runNameOf } from "./keeping/folder.ts";
import { BadUsage } from "../command-line.ts";
import { readResults, writeResults } from "../results/file.ts";
import { EXAMPLE } from "../results/results.fixture.ts";
import { NO_VIEWS } from "../results/views.ts";
import { versions } from "./keeping/effective.ts";

const MAIN = fileURLToPath(import.meta.resolve("./main.ts"));
let root: string;
before(() => {
  root = leashedFolder("/var/tmp/tripact-lab-main-");
});
after(() => removeLeashedFolder(root));

const PROGRAMS = fileURLToPath(import.meta.resolve("../main.ts"));
const lab = (...args: readonly string[]): Promise<Ended> => run(MAIN, args);
/** By the name of one. */
const program = (...args: readonly string[]): Promise<Ended> => run(PROGRAMS, args);

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(entry: string, args: readonly string[]): Promise<Ended> {
  try {
    const ended = await promisify(execFile)(process.execPath, [entry, ...args], { env: { ...process.env, LAB_RESULTS: root }, timeout: 50_000 });
    return { code: 0, ...ended };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: unknown; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

test("help is printed; what is not understood ends with 2, and so does a replay of what is not there", async () => {
  const help = await lab("--help");
  assert.deepEqual([help.code, help.stdout.startsWith("npm run lab -- [options]")], [0, true]);
  const wrong = await lab("--modes", "sagas");
  assert.deepEqual([wrong.code, wrong.stderr.startsWith("--modes are of")], [2, true]);
  const nobody = await lab("replay", "nobody");
  assert.deepEqual([nobody.code, nobody.stderr.startsWith("there is no run nobody to replay")], [2, true]);
});

test("a folder keeps what was asked for, and is one run's only", () => {
  const folder = new RunFolder(root, runNameOf(new Date(Date.UTC(2026, 0, 2, 3, 4, 5)), 9));
  assert.equal(folder.run, "2026-01-02-030405-9");
  folder.make();
  folder.keepPlan(["--seed", "9"]);
  assert.deepEqual(folder.args(), ["--seed", "9"]);
  assert.throws(() => folder.make(), { code: "EEXIST" });
  assert.throws(() => new RunFolder(root, "nobody").args(), BadUsage);
});

test("a report can be drawn anew, of a run that is there", async () => {
  const folder = new RunFolder(root, "drawn");
  folder.make();
  writeResults(EXAMPLE, folder.resultsFile);
  const drawn = await program("report", "drawn");
  assert.deepEqual([drawn.code, drawn.stdout.trim(), existsSync(folder.reportFile)], [0, folder.reportFile, true]);
  const [nobody, path] = [await program("report", "nobody"), await program("report", "../drawn")];
  assert.deepEqual([nobody.code, path.code], [1, 2]);
});

test("a view goes into no run of another code, and none that is not there, and that is said before it is measured", async () => {
  const folder = new RunFolder(root, "other-code");
  folder.make();
  writeResults(EXAMPLE, folder.resultsFile);
  const refused = await program("ladder", "--into", "other-code");
  assert.deepEqual([refused.code, /the view measured code .* instead of 0123abc/.test(refused.stderr)], [1, true]);
  const nobody = await program("wal", "--into", "nobody");
  assert.deepEqual([nobody.code, /nobody\/results.json cannot be read/.test(nobody.stderr)], [1, true]);
  const wrong = await program("profile", "--into", "../x");
  assert.deepEqual([wrong.code, wrong.stderr.startsWith("--into needs the name of a run")], [2, true]);
  const help = await program("selftest", "--help");
  assert.deepEqual([help.code, help.stdout.includes("--into RUN")], [0, true]);
});

test("a part is added to a run of this code and machine, and its report drawn anew", async () => {
  const folder = new RunFolder(root, "same-code");
  folder.make();
  writeResults({ ...EXAMPLE, versions: versions("18.4"), machine: describeMachine(tmpdir()), views: NO_VIEWS }, folder.resultsFile);
  const added = await program("selftest", "--into", "same-code", "--seeds", "1");
  // One seed is not enough for the shy ones, so the program says 1; what it saw is kept all the same.
  assert.ok([0, 1].includes(Number(added.code)), added.stderr);
  assert.ok((readResults(folder.resultsFile).views.selftest?.detection.length ?? 0) > 10);
  assert.ok(readFileSync(folder.reportFile, "utf8").includes("no-inbox") || readFileSync(folder.reportFile, "utf8").includes("no inbox"));
});
