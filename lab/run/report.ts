/** `npm run lab -- report RUN`: the page of a run that was measured, drawn anew. */
import { BadUsage } from "../command-line.ts";
import { writeReport } from "../report/report.ts";
import { readResults, ResultsError } from "../results/file.ts";
import { RESULTS_ROOT, RunFolder, runName } from "./keeping/folder.ts";

const USAGE = "npm run lab -- report RUN\n\nWrites lab/results/RUN/report.html anew from its results.json: one page that opens from disk.";

function writeReportOf(args: readonly string[]): number {
  const [run, ...others] = args;
  if (run === "--help" || run === undefined || others.length > 0) {
    console.log(USAGE);
    return run === "--help" ? 0 : 2;
  }
  try {
    const folder = new RunFolder(RESULTS_ROOT, runName("report", run));
    writeReport(readResults(folder.resultsFile), folder.reportFile);
    console.log(folder.reportFile);
    return 0;
  } catch (error) {
    if (!(error instanceof ResultsError || error instanceof BadUsage)) throw error;
    console.error(error.message);
    return error instanceof BadUsage ? 2 : 1;
  }
}

process.exitCode = writeReportOf(process.argv.slice(2));
