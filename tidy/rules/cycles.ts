import { importsOf } from "../imports.ts";
import type { Import } from "../imports.ts";
import type { Rule } from "../tree.ts";

/**
 * No file may reach itself through its imports, types included, across workspaces as well (the linter's own rule stops
 * at the package's name). One violation per knot, with the way round.
 */
export const noCycles: Rule = {
  name: "no import cycle",
  check: (tree) =>
    knotsIn(Map.groupBy(importsOf(tree), ({ from }) => from)).map((way) => ({
      path: way[0] ?? "",
      says: `imports itself: ${[...way, way[0]].join(" → ")}`,
    })),
};

type Graph = ReadonlyMap<string, readonly Import[]>;

function knotsIn(graph: Graph): string[][] {
  const finished = new Set<string>();
  const knots: string[][] = [];
  const walk = (file: string, way: readonly string[]): void => {
    const seenAt = way.indexOf(file);
    if (seenAt >= 0) knots.push(way.slice(seenAt));
    if (seenAt >= 0 || finished.has(file)) return;
    for (const { target } of graph.get(file) ?? []) walk(target, [...way, file]);
    finished.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return knots;
}
