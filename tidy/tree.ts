import { readFileSync, readdirSync } from "node:fs";
import { basename, extname, join, relative, sep } from "node:path";

/** A file of the checkout. `path` is relative to its root, with `/` on every platform. */
export type SourceFile = { readonly path: string; readonly text: string };

/** What a rule looks at: the files, and where they lie on this machine (a place that no file may name). */
export type Tree = { readonly root: string; readonly files: readonly SourceFile[] };

/** `line` counts from 1; without it the whole file, or folder, is meant. */
export type Violation = { readonly path: string; readonly line?: number; readonly says: string };

/** A pure judgement over the tree. Every rule has a planted violation in `planted.ts`. */
export type Rule = { readonly name: string; readonly check: (tree: Tree) => readonly Violation[] };

// Installed, built or measured: not ours to tidy. The same names as in .gitignore.
const skippedFolders = new Set(["node_modules", "dist", ".git", ".results"]);
const textExtensions = new Set([
  ".ts", ".tsx", ".js", ".mjs", ".cjs", ".json", ".sql", ".md", ".yml", ".yaml", ".sh", ".html", ".css", ".svg",
]);
const textNames = new Set(["LICENSE", ".npmrc", ".gitignore", ".gitattributes", ".editorconfig", ".node-version"]);

/** Reads every text file under `root`. A walk, not `git ls-files`: a tree without a repository is judged as well. */
export function readTree(root: string): Tree {
  const files = readdirSync(root, { withFileTypes: true })
    .filter((entry) => !skippedFolders.has(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? textFilesIn(join(root, entry.name)) : [join(root, entry.name)]))
    .filter(isText)
    .map((file) => ({ path: relative(root, file).split(sep).join("/"), text: readFileSync(file, "utf8") }));
  return { root, files };
}

function textFilesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (skippedFolders.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return textFilesIn(path);
    return entry.isFile() ? [path] : [];
  });
}

function isText(file: string): boolean {
  return textExtensions.has(extname(file)) || textNames.has(basename(file)) || file.includes(`${sep}.ci${sep}`);
}

export function isCode(path: string): boolean {
  return /\.(ts|tsx|js|mjs|cjs)$/.test(path);
}

/** Tests and the suites that adapters share; both may be long and may reach across the layout. */
export function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path) || /(^|\/)conformance(\/|\.ts$)/.test(path);
}
