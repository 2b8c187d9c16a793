/** A view that was measured by itself becomes part of an earlier run's results, and its report is drawn anew. */
import { tmpdir } from "node:os";
import { describeMachine } from "@tripact/testbed";
import { writeReport } from "../../report/report.ts";
import { addViews, readResults, writeResults } from "../../results/file.ts";
import type { Results } from "../../results/results.ts";
import type { Views } from "../../results/views.ts";
import { versions } from "./effective.ts";
import { RESULTS_ROOT, RunFolder, runName } from "./folder.ts";

/** @throws BadUsage where it is no run's name; ResultsError where there is none, or one of another code or machine */
export function checkedRun(name: string): RunFolder {
  const run = new RunFolder(RESULTS_ROOT, runName("--into", name));
  added(run, {});
  return run;
}

/** Tells the files that it has written. @throws ResultsError as above */
export function addPart(run: RunFolder, part: Partial<Views>): readonly string[] {
  const results = added(run, part);
  writeResults(results, run.resultsFile);
  writeReport(results, run.reportFile);
  return [run.resultsFile, run.reportFile];
}

function added(run: RunFolder, part: Partial<Views>): Results {
  const results = readResults(run.resultsFile);
  return addViews(results, part, { versions: versions(results.versions.postgres), machine: describeMachine(tmpdir()) });
}
