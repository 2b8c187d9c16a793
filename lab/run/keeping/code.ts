import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const CAP_MS = 10_000;
/** What runs while something is measured, or judges it. Tests, documents and how a report looks change no figure. */
const MEASURED = ["toolkit/src", "flash-sale", "testbed/src", "lab", "package-lock.json", ":!*.test.ts", ":!*.fixture.ts", ":!*conformance*", ":!*.md", ":!lab/report", ":!lab/start"];

/**
 * Stands for the code that was measured: a digest of its files as committed, so that a commit of something else leaves it as it was and runs
 * can be added for as long as nothing of it changes. Where files differ from what is committed, with `-dirty-` and a digest of how: two
 * trees that differ in two ways are two codes. `unknown` without git.
 */
export function codeVersion(root: string = ROOT): string {
  try {
    const files = git(root, "ls-files", "--stage", "--", ...MEASURED);
    if (files === "") return "unknown";
    const dirty = git(root, "status", "--porcelain", "--", ...MEASURED);
    const code = digest(files, 12);
    return dirty === "" ? code : `${code}-dirty-${digest(dirty + git(root, "diff", "HEAD", "--", ...MEASURED), 8)}`;
  } catch {
    return "unknown";
  }
}

/** The commit that all of it can be found under; `unknown` without git. */
export function commit(root: string = ROOT): string {
  try {
    return git(root, "rev-parse", "--short=12", "HEAD");
  } catch {
    return "unknown";
  }
}

function digest(text: string, letters: number): string {
  return createHash("sha256").update(text).digest("hex").slice(0, letters);
}

function git(root: string, ...args: readonly string[]): string {
  return execFileSync("git", [...args], { cwd: root, encoding: "utf8", timeout: CAP_MS, stdio: ["ignore", "pipe", "ignore"], maxBuffer: 2 ** 26 }).trim();
}
