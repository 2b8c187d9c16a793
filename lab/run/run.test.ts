import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { leashedFolder, removeLeashedFolder } from "@tripact/testbed";
import { faultNamed } from "../faults/all.ts";
import { readResults } from "../results/file.ts";
import type { Progress } from "../start/progress.ts";
import { RunFolder } from "./keeping/folder.ts";
import { runLab } from "./run.ts";

// One whole run of the real flash sale. How fast it came back is not asserted, only that all was measured and nothing was lost.

let root: string;
before(() => {
  root = leashedFolder("/var/tmp/tripact-lab-");
});
after(() => removeLeashedFolder(root));

const killed = faultNamed("coordinator-killed") ?? assert.fail();
const timing = { warmUpMs: 500, baselineMs: 4_000, jitterMs: 300, observeMs: 2_500, settleCapMs: 10_000, quietCapMs: 15_000 };
const plan = { modes: ["saga"], faults: [killed], runs: 1, rates: { saga: 12 }, busyRate: undefined, units: 1_000, seed: 7, quick: true, views: [], jsonFile: undefined, append: undefined } as const;

test("saga, coordinator killed: a run from its start to its record, in the results on disk", async (t) => {
  const folder = new RunFolder(root, "one");
  const phases: string[] = [];
  const progress: Progress = { now: (text) => phases.push(text), detail: () => undefined, say: (line) => t.diagnostic(line), clear: () => undefined, stop: () => undefined };
  const results = await runLab({ plan, folder, appendTo: undefined, progress, signal: AbortSignal.timeout(400_000), timing });
  assert.equal(results.incomplete, null);
  const [cell] = results.cells;
  const [record] = cell?.records ?? [];
  assert.ok(cell && record);
  assert.deepEqual([cell.mode, cell.fault, cell.runs, record.violations, record.verdict], ["saga", "coordinator-killed", 1, [], "valid"]);
  assert.deepEqual(record.harm, { duplicated: 0, phantom: 0, torn: 0, stuck: 0, unresolved: 0 });
  assert.equal(record.rpo.operations, 0);
  assert.ok(record.fault !== null && record.healedAtMs !== null && record.healedAtMs > record.fault.toMs);
  assert.ok((record.goodput.baseline ?? 0) > 0, "nothing was sold before the fault");
  assert.ok(record.outageMs !== null, "the database was not probed");
  assert.ok((record.performance.healthy?.cpuMsPerPurchase.byKind.orders ?? 0) > 0 && (record.performance.healthy?.p95Ms ?? 0) > 0);
  assert.ok(record.reads !== null && record.reads.looks > 10 && record.reads.kinds.orderPaid.seen > 0, "the stranger saw nothing");
  assert.equal(record.reads.kinds.orderPaid.undone, 0);
  assert.ok(readFileSync(folder.reportFile, "utf8").includes("saga × coordinator-killed"));
  assert.ok(record.series.goodput.ok.some((ok) => ok > 0));
  assert.ok(phases.some((phase) => phase.includes("saga × coordinator-killed, run 1 of 1 (1 of 1): baseline")));
  assert.deepEqual(readResults(folder.resultsFile).cells, JSON.parse(JSON.stringify(results.cells)));
  const history = readFileSync(`${folder.cell("saga", "coordinator-killed", 1)}/history.ndjson`, "utf8");
  for (const kind of ["fault", "heal", "end"]) assert.match(history, new RegExp(`"kind":"${kind}"`));
});

test("one that is interrupted leaves its results, marked incomplete", async () => {
  const folder = new RunFolder(root, "broken-off");
  const interrupting = new AbortController();
  const now = (text: string): void => {
    if (text.includes("starting the platform")) interrupting.abort();
  };
  const progress: Progress = { now, detail: () => undefined, say: () => undefined, clear: () => undefined, stop: () => undefined };
  const results = await runLab({ plan, folder, appendTo: undefined, progress, signal: interrupting.signal, timing });
  assert.equal(results.incomplete, "interrupted after 0 of 1 runs");
  assert.ok(existsSync(folder.resultsFile) && existsSync(folder.reportFile));
  assert.deepEqual(folder.args().slice(0, 2), ["--modes", "saga"]);
});

test("a run of another kind cannot be added to an earlier one, and that is said before anything is measured", async () => {
  const earlier = new RunFolder(root, "one");
  const quiet: Progress = { now: () => undefined, detail: () => undefined, say: () => undefined, clear: () => undefined, stop: () => undefined };
  const adding = runLab({ plan: { ...plan, quick: false }, folder: new RunFolder(root, "other"), appendTo: earlier, progress: quiet, signal: AbortSignal.timeout(60_000), timing });
  await assert.rejects(adding, { name: "ResultsError", code: "other-kind" });
});
