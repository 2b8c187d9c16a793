import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { codeVersion, commit } from "./code.ts";

test("the measured code has one name for as long as nothing of it changes, whatever else is committed", (t) => {
  const root = mkdtempSync(join(tmpdir(), "lab-code-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const git = (...args: readonly string[]): void => void execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b", ...args], { cwd: root, stdio: "ignore" });
  const save = (path: string, text: string): void => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const commitAll = (): string => {
    git("add", "-A");
    git("commit", "-m", "x");
    return codeVersion(root);
  };
  git("init");
  save("lab/run/run.ts", "1");
  const first = commitAll();
  assert.match(first, /^[0-9a-f]{12}$/);
  for (const path of ["README.md", "lab/README.md", "lab/run/run.test.ts", "lab/run/run.fixture.ts", "flash-sale/modes/conformance.ts", "toolkit/src/stores/conformance/store.ts", "lab/report/page.ts", "docs/results/lab.json"]) save(path, "new");
  assert.equal(codeVersion(root), first);
  const before = commit(root);
  assert.equal(commitAll(), first);
  assert.notEqual(commit(root), before);
  save("lab/run/run.ts", "2");
  const dirty = codeVersion(root);
  assert.match(dirty, new RegExp(`^${first}-dirty-[0-9a-f]{8}$`));
  save("lab/run/run.ts", "3");
  assert.notEqual(codeVersion(root), dirty);
  assert.notEqual(commitAll(), first);
  save("toolkit/src/new.ts", "");
  assert.match(codeVersion(root), /-dirty-/);
});

test("without git nobody knows", (t) => {
  const root = mkdtempSync(join(tmpdir(), "lab-code-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  assert.deepEqual([codeVersion(root), commit(root)], ["unknown", "unknown"]);
});
