import { renameSync, writeFileSync } from "node:fs";
import type { Results } from "../results/results.ts";
import { pageOf } from "./page.ts";

/** One file that opens from disk without a network. Whoever is killed here leaves the old page or the new one. */
export function writeReport(results: Results, path: string): void {
  const half = `${path}.half`;
  writeFileSync(half, pageOf(results));
  renameSync(half, path);
}
