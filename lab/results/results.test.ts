import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { MODE_NAMES } from "../platform/mode-processes.ts";
import { cellOf } from "./cell.ts";
import { addViews, appendResults, checkedResults, readResults, ResultsError, writeResults, type ResultsErrorCode } from "./file.ts";
import { degradationOf } from "./overview/degradation.ts";
import { EXAMPLE, EXAMPLE_VIEWS, killed, performance, record, results, TORN } from "./results.fixture.ts";
import type { Results } from "./results.ts";
import { goodputSteps, latencySteps } from "./series.ts";

const schema = JSON.parse(readFileSync(new URL("../../docs/lab-results.schema.json", import.meta.url), "utf8")) as Record<string, unknown>;

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "lab-results-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function refuses(action: () => unknown, code: ResultsErrorCode, message: RegExp = /./): void {
  assert.throws(action, (error) => error instanceof ResultsError && error.code === code && message.test(error.message));
}

test("the example is as the schema in docs says", () => {
  const fits = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).compile(schema);
  assert.ok(fits(JSON.parse(JSON.stringify(EXAMPLE))), JSON.stringify(fits.errors?.slice(0, 3)));
  const { $defs } = schema as { $defs: { cell: { properties: { mode: { enum: unknown } } } } };
  assert.deepEqual($defs.cell.properties.mode.enum, MODE_NAMES);
});

test("every field is described, and every number has a unit", () => {
  const undescribed: string[] = [];
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== "object" || node === null) return;
    for (const [name, field] of Object.entries((node as { properties?: object }).properties ?? {})) {
      const { description, type } = field as { description?: string; type?: string | string[] };
      if (description === undefined || description === "") undescribed.push(`${path}.${name}`);
      const isNumber = [type].flat().some((each) => each === "number" || each === "integer");
      if (isNumber && !/Unit: /.test(description ?? "")) undescribed.push(`${path}.${name}: no unit`);
    }
    for (const [name, child] of Object.entries(node)) visit(child, `${path}.${name}`);
  };
  visit(schema, "");
  assert.deepEqual(undescribed, []);
});

test("what was written can be read, and nothing half written stays", (t) => {
  const path = join(folder(t), "results.json");
  writeResults(EXAMPLE, path);
  assert.deepEqual(readResults(path), EXAMPLE);
  refuses(() => readResults(`${path}.half`), "unreadable");
});

test("what is no result is refused at the door, with the place of the mistake", (t) => {
  const path = join(folder(t), "results.json");
  refuses(() => readResults(path), "unreadable");
  writeFileSync(path, JSON.stringify(EXAMPLE).slice(0, -20));
  refuses(() => readResults(path), "not-json");
  const wrong: readonly [Partial<Record<keyof Results | "more", unknown>>, RegExp][] = [
    [{ schema: 1 }, /\/schema must be equal to constant/],
    [{ more: 1 }, /additional properties/],
    [{ cells: [{ ...EXAMPLE.cells[0], torn: -1 }] }, /\/cells\/0\/torn must be >= 0/],
    [{ cells: [{ ...EXAMPLE.cells[0], mode: "sagas" }] }, /\/cells\/0\/mode/],
    [{ machine: undefined }, /'machine'/],
  ];
  for (const [change, message] of wrong) {
    const json: unknown = JSON.parse(JSON.stringify({ ...EXAMPLE, ...change }));
    refuses(() => checkedResults(json, "it"), "not-results", message);
  }
  refuses(() => writeResults({ ...EXAMPLE, seed: Number.NaN }, path), "not-results", /\/seed/);
});

test("a cell is what its runs say together", () => {
  const cell = cellOf(killed("saga"), [record(1, 700), record(2, 640), record(3, 810)]);
  assert.deepEqual(cell.rtoMs.headline, { n: 3, median: 700, medianBetween: null, p95: null, max: 810, all: [700, 640, 810] });
  assert.deepEqual(cell.compensation, { needed: 120, right: 120, wrong: 0, stuck: 0 });
  assert.deepEqual(cell.inconsistencyMs, { p50: 14, p95: 480, max: 810 });
  assert.deepEqual([cell.runs, cell.torn, cell.verdict], [3, 0, "valid"]);
});

test("a run that never recovered is the worst one, and what nobody judged is no zero", () => {
  const cell = cellOf(killed("naive"), [TORN, record(1, 700)]);
  assert.deepEqual(cell.rtoMs.headline.max, { beyondMs: 22_000 });
  assert.deepEqual(cell.rtoMs.excess, { n: 1, median: 210, medianBetween: null, p95: null, max: 210, all: [{ unmeasured: "the dependency was not probed" }, 210] });
  assert.deepEqual([cell.rpo.operations, cell.rpo.money, cell.rpo.oldestMs], [3, 12_345, 740]);
  assert.deepEqual([cell.torn, cell.unresolved, cell.oversold, cell.verdict], [2, null, null, "invalid"]);
  const unjudged = cellOf(killed("saga"), [record(1, 700), record(2, 700, { rpo: { operations: null, units: null, money: null, oldestMs: null }, verdict: "unknown" })]);
  assert.deepEqual([unjudged.rpo.operations, unjudged.verdict], [null, "unknown"]);
  const nothing = cellOf(killed("saga"), []);
  assert.deepEqual([nothing.torn, nothing.verdict, nothing.rtoMs.headline.median, nothing.goodput.baseline, nothing.compensation], [null, "unknown", null, null, null]);
});

test("runs of the same code and settings add up, cell by cell", () => {
  const later = results([[killed("saga"), [record(4, 500)]], [killed("tcc", "partition"), [record(4, 900)]]], { run: "later", endedAt: "2026-01-02T00:00:00.000Z", machine: { ...EXAMPLE.machine, system: `${EXAMPLE.machine.system}-cloud-7` } });
  const both = appendResults(EXAMPLE, later);
  assert.deepEqual(both.cells.find(({ mode, fault }) => mode === "saga" && fault === "primary-killed")?.rtoMs.headline.all, [700, 640, 810, 500]);
  assert.deepEqual([both.cells.length, both.run, both.endedAt], [8, "example", later.endedAt]);
  assert.deepEqual(checkedResults(JSON.parse(JSON.stringify(both)), "both"), both);
});

test("what follows from the cells follows from all of them: false alarms by mode, the source's table, cost; and who was added is said", () => {
  const quiet = { fault: "none", mechanism: "nothing", mode: "saga" } as const;
  const control = (seed: number, sustained: number) => record(seed, sustained, { fault: null });
  const first = results([[quiet, [control(1, 0)]], [killed("saga"), [record(1, 700)]]], { run: "first" });
  const later = results([[quiet, [control(2, 400), control(3, 0)]], [{ ...quiet, mode: "tcc" }, [control(2, 0)]], [killed("saga", "delay-and-loss"), [record(2, 300)]]], { run: "later", incomplete: "interrupted", views: EXAMPLE_VIEWS });
  const all = appendResults(first, later);
  assert.deepEqual(all.falseAlarms?.byMode.map(({ mode, runs, alarms }) => [mode, runs, alarms]), [["saga", 3, 1], ["tcc", 1, 0]]);
  assert.deepEqual([all.falseAlarms?.runs, all.falseAlarms?.alarms, all.falseAlarms?.rate], [4, 1, 0.25]);
  assert.deepEqual(all.headline.map(({ mode, fault, rtoMs }) => [mode, fault, rtoMs.mean]), [["saga", "primary-killed", 700], ["saga", "delay-and-loss", 300]]);
  assert.deepEqual(all.degradation.find(({ mode, fault }) => mode === "saga" && fault === null)?.runs, 5);
  assert.deepEqual([all.appended.map(({ run }) => run), all.incomplete, all.views], [["later"], "later: interrupted", EXAMPLE_VIEWS]);
  const again = appendResults(all, results([[quiet, [control(9, 0)]]], { run: "third" }));
  assert.deepEqual([again.falseAlarms?.runs, again.views, again.appended.length], [5, EXAMPLE_VIEWS, 2]);
  assert.deepEqual(checkedResults(JSON.parse(JSON.stringify(again)), "again"), again);
});

test("a view is added to a run of the same code and machine, in the place of an earlier one, and to no other", () => {
  const [bare, { machine, versions }] = [results([]), EXAMPLE];
  const one = addViews(bare, { wal: EXAMPLE_VIEWS.wal }, { machine: { ...machine, fileSystem: "tmpfs", onTmpfs: true }, versions });
  assert.deepEqual([one.views.wal, one.views.ladder], [EXAMPLE_VIEWS.wal, null]);
  const ladder = EXAMPLE_VIEWS.ladder === null ? assert.fail() : { ...EXAMPLE_VIEWS.ladder, seed: 7 };
  const two = addViews(addViews(one, { ladder: EXAMPLE_VIEWS.ladder }, EXAMPLE), { ladder }, EXAMPLE);
  assert.deepEqual([two.views.ladder?.seed, two.views.wal?.seed], [7, 42]);
  refuses(() => addViews(bare, {}, { machine, versions: { ...versions, node: "27" } }), "other-code", /the view measured node 27 instead of 26/);
  refuses(() => addViews(bare, {}, { machine: { ...machine, cpu: "Other CPU" }, versions }), "other-machine", /another machine/);
});

test("what a pattern costs: medians over naive's, healthy of all baselines; what one run does not know is no zero", () => {
  const run = (seed: number, cpuMs: number) => record(seed, 700, { performance: { healthy: performance(100, cpuMs), underFault: performance(50, cpuMs * 2) } });
  const deaf = record(4, 700, { performance: { healthy: { ...performance(100, 1), cpuMsPerPurchase: { total: null, byKind: { postgres: null } } }, underFault: null } });
  const rows = degradationOf([cellOf(killed("naive"), [run(1, 10), run(2, 12)]), cellOf(killed("saga"), [run(1, 12), run(2, 15), run(3, 90), deaf]), cellOf(killed("saga", "partition"), [run(1, 15)])]);
  assert.deepEqual(rows.map(({ mode, fault, runs, cpuMsPerPurchase: { total }, toNaive }) => [mode, fault, runs, total, toNaive?.cpu?.toFixed(3)]), [
    ["naive", null, 2, 11, undefined], ["saga", null, 5, 15, "1.364"], ["naive", "primary-killed", 2, 22, undefined], ["saga", "primary-killed", 3, 30, "1.364"], ["saga", "partition", 1, 30, undefined],
  ]);
});

test("what was offered more is compared at its own load, and with naive's share of its own where naive was not measured at it", () => {
  const run = (offeredPerSecond: number, paid: number) => record(1, 700, { offeredPerSecond, performance: { healthy: performance(paid, 10), underFault: null } });
  const rows = degradationOf([cellOf(killed("naive", "none"), [run(50, 50)]), cellOf(killed("naive", "busy"), [run(90, 90)]), cellOf(killed("saga", "none"), [run(40, 20)]), cellOf(killed("saga", "busy"), [run(90, 81)])]);
  assert.deepEqual(rows.filter(({ mode }) => mode === "saga").map(({ offeredPerSecond, toNaive }) => [offeredPerSecond, toNaive?.offeredPerSecond, toNaive?.goodput]), [[40, 50, 0.5], [90, 90, 0.9]]);
});

test("reads of all runs are a cell's, and none of nobody's", () => {
  assert.equal(cellOf(killed("saga"), [record(1, 1, { reads: null })]).reads, null);
  const { reads } = cellOf(killed("saga"), [record(1, 700), record(2, 700), record(3, 700, { reads: null })]);
  assert.deepEqual([reads?.looks, reads?.kinds.paymentCaptured], [1_800, { seen: 620, undone: 4 }]);
});

test("who was offered how much is compared mode by mode, and what only one of two knows is kept", () => {
  const offering = (offered: Record<string, number>, more: Partial<Results> = {}): Results => results([[killed("saga"), [record(more.seed ?? 1, 500)]]], { settings: { lab: { units: 1 }, "offered purchases a second": offered }, ...more });
  const both = appendResults(offering({ saga: 40 }), offering({ saga: 40, tcc: 30 }, { seed: 2 }));
  assert.deepEqual(both.settings["offered purchases a second"], { saga: 40, tcc: 30 });
  refuses(() => appendResults(offering({ saga: 40 }), offering({ saga: 41 }, { seed: 2 })), "other-settings", /offered purchases a second.saga \(41 instead of 40\)/);
});

test("runs of another kind, or the same ones again, are not added", () => {
  const like = (change: Partial<Results>): Results => results([[killed("saga"), [record(4, 500)]]], change);
  refuses(() => appendResults(EXAMPLE, like({ versions: { ...EXAMPLE.versions, code: "fff" } })), "other-code", /code fff instead of 0123abc/);
  const unknown = like({ versions: { ...EXAMPLE.versions, code: "unknown" } });
  refuses(() => appendResults(unknown, unknown), "other-code", /nobody knows which code/);
  refuses(() => appendResults(EXAMPLE, like({ settings: { ...EXAMPLE.settings, lab: { ratePerSecond: 1, units: 100_000 } } })), "other-settings", /settings: lab\.ratePerSecond \(1 instead of 220\)$/);
  refuses(() => appendResults(EXAMPLE, like({ machine: { ...EXAMPLE.machine, cores: 4 } })), "other-machine", /2 cores.*4 cores/);
  refuses(() => appendResults(EXAMPLE, like({ machine: { ...EXAMPLE.machine, system: "Linux 7.0.1" } })), "other-machine", /Linux 7\.0\.1/);
  refuses(() => appendResults(EXAMPLE, like({ quick: true })), "other-kind");
  refuses(() => appendResults(EXAMPLE, EXAMPLE), "same-runs");
});

test("curves are steps beside each other: what was not answered is a gap, and a half step is none", () => {
  const served = [{ sentMs: 0, okMs: 99 }, { sentMs: 0, okMs: 100 }, { sentMs: 0, okMs: 199.9 }, { sentMs: 0, okMs: 240 }, { sentMs: 0, okMs: -1 }];
  assert.deepEqual(goodputSteps(served, { fromMs: 0, toMs: 250 }, 100), { fromMs: 0, stepMs: 100, ok: [1, 2] });
  const offered = [{ intentMs: 0, doneMs: 5.04, answered: true }, { intentMs: 1, doneMs: 8, answered: false }, { intentMs: 150, doneMs: 160, answered: true }];
  assert.deepEqual(latencySteps(offered, { fromMs: 0, toMs: 300 }, 100), { fromMs: 0, stepMs: 100, p50Ms: [5, 10, null], p95Ms: [null, 10, null], p99Ms: [null, 10, null] });
  assert.throws(() => goodputSteps([], { fromMs: 0, toMs: 1e12 }), RangeError);
  assert.throws(() => goodputSteps([], { fromMs: 0, toMs: 1 }, 0), RangeError);
});
