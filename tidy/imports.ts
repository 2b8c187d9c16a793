import { posix } from "node:path";
import { isCode } from "./tree.ts";
import type { SourceFile, Tree } from "./tree.ts";

/**
 * One import, re-export or dynamic import. `specifier` is what the code says; `target` is the file of this tree that it
 * reaches, or again the specifier (`node:crypto`, `pg`) when it leads out of the tree.
 */
export type Import = {
  readonly from: string;
  readonly line: number;
  readonly specifier: string;
  readonly target: string;
};

// TypeScript 7 ships no parser API, so this reads text. Statements are anchored to the start of a line, which keeps
// sample code inside strings and comments out.
const statement = /^(?:import|export)\b(?:[^;"'`]*?\bfrom)?\s*["']([^"']+)["']/gm;
const dynamic = /\bimport\(\s*["']([^"']+)["']/g;

export function importsOf(tree: Tree): Import[] {
  const doors = publishedDoors(tree);
  const paths = new Set(tree.files.map((file) => file.path));
  return tree.files.filter((file) => isCode(file.path)).flatMap((file) => {
    const code = withoutLineComments(file.text);
    return [...code.matchAll(statement), ...code.matchAll(dynamic)].map(({ 1: specifier = "", index }) => ({
      from: file.path,
      line: file.text.slice(0, index).split("\n").length,
      specifier,
      target: resolve(specifier, file.path, doors, paths),
    }));
  });
}

// Blanked, not cut: line numbers and offsets stay those of the file.
function withoutLineComments(text: string): string {
  return text.replace(/^\s*(\/\/|\*).*$/gm, (line) => " ".repeat(line.length));
}

function resolve(specifier: string, from: string, doors: Map<string, string>, paths: Set<string>): string {
  if (!specifier.startsWith(".")) return doors.get(specifier) ?? specifier;
  const path = posix.join(posix.dirname(from), specifier);
  const asSource = path.replace(/\.js$/, ".ts");
  return !paths.has(path) && paths.has(asSource) ? asSource : path;
}

/** `tripact` → `toolkit/src/index.ts`, `@tripact/testbed` → `testbed/src/index.ts`, as the workspaces' `exports` say. */
function publishedDoors(tree: Tree): Map<string, string> {
  return new Map(
    tree.files
      .filter((file) => /^[^/]+\/package\.json$/.test(file.path))
      .flatMap((manifest) => doorsOf(manifest)),
  );
}

type Manifest = { name?: string; exports?: Record<string, string | Record<string, string>> };

function doorsOf(manifest: SourceFile): [string, string][] {
  const { name, exports } = JSON.parse(manifest.text) as Manifest;
  if (name === undefined) return [];
  return Object.entries(exports ?? {}).flatMap(([door, target]): [string, string][] => {
    const source = typeof target === "string" ? target : target["tripact-source"];
    if (source === undefined) return [];
    return [[posix.join(name, door), posix.join(posix.dirname(manifest.path), source)]];
  });
}
