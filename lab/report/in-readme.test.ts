import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { MODE_NAMES } from "../platform/mode-processes.ts";
import { readResults } from "../results/file.ts";
import type { Cell } from "../results/results.ts";
import { EXAMPLE } from "../results/results.fixture.ts";
import { matrixLines, quotedLines } from "./in-readme.ts";
import { harmOf } from "./matrix.ts";

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

test("a quoted table has a line for each pattern under the two faults, and as many columns in both languages", () => {
  const [en, zh] = [quotedLines(EXAMPLE, "en"), quotedLines(EXAMPLE, "zh")];
  assert.ok(en.some((line) => line.startsWith("| primary-killed | saga | 3 | 0.70 s (–) |")), en.join("\n"));
  assert.equal(en.length, 2 + EXAMPLE.cells.filter(({ fault }) => fault === "primary-killed" || fault === "coordinator-killed").length);
  assert.equal(new Set([...en, ...zh].map((line) => line.split("|").length)).size, 1);
});

test("a matrix has a line for each fault and a column for each mode, and says where something was wrong, and where not all was judged", () => {
  const lines = matrixLines(EXAMPLE, "en");
  assert.equal(lines.length, 2 + new Set(EXAMPLE.cells.map(({ fault }) => fault)).size);
  assert.deepEqual(new Set([...lines, ...matrixLines(EXAMPLE, "zh")].map((line) => line.split("|").length)), new Set([2 + 1 + MODE_NAMES.length]));
  const [cell] = EXAMPLE.cells;
  assert.ok(cell);
  const of = (change: Partial<Cell>): string | undefined => matrixLines({ ...EXAMPLE, cells: [{ ...cell, mode: "saga", fault: "reset", ...change }] }, "en")[2];
  const clean = { rpo: { operations: 0, units: 0, money: 0, oldestMs: null }, oversold: 0, duplicated: 0, phantom: 0, torn: 0, stuck: 0, unresolved: 0, verdict: "valid" } as const;
  assert.match(of(clean) ?? "", /^\| reset \|.*\| [^|*]+ \(\d+\) \|/);
  assert.match(of({ ...clean, torn: 2, oversold: 1, verdict: "invalid" }) ?? "", /\(\d+\), \*\*3 lost or wrong\*\* \|/);
  assert.match(of({ ...clean, unresolved: null, verdict: "unknown" }) ?? "", /\(\d+\), not all judged \|/);
});

test("both READMEs quote the committed result as it is", () => {
  const results = readResults(file("docs/results/lab/results.json"));
  assert.ok(existsSync(file("docs/results/lab/report.html")));
  for (const [readme, language] of [["README.md", "en"], ["README.zh-CN.md", "zh"]] as const) {
    const text = readFileSync(file(readme), "utf8");
    for (const line of quotedLines(results, language)) assert.ok(text.includes(line), `${readme} wants this line:\n${line}`);
  }
});

test("the list of results quotes the faults as they were measured", () => {
  const results = readResults(file("docs/results/lab-faults/results.json"));
  assert.ok(existsSync(file("docs/results/lab-faults/report.html")));
  const text = readFileSync(file("docs/results/README.md"), "utf8");
  for (const line of matrixLines(results, "en")) assert.ok(text.includes(line), `docs/results/README.md wants this line:\n${line}`);
  assert.ok(text.includes(results.versions.code) && text.includes(results.commit.slice(0, 7)), "which code it was");
  const runs = results.cells.flatMap(({ mode, records }) => records.map((run) => ({ mode, ...run })));
  const guarded = runs.filter(({ mode }) => mode !== "naive");
  assert.ok(guarded.every(({ verdict }) => verdict === "valid"));
  const untold = runs.filter(({ notJudged }) => notJudged.length > 0).length;
  assert.ok(text.includes(`Of ${guarded.length} runs of the four guarded modes none lost`) && text.includes(`in ${untold} of all ${runs.length} recovery could not be told`));
  const load = (mode: string): string => [...new Set(runs.filter((run) => run.mode === mode).map(({ offeredPerSecond }) => offeredPerSecond))].join("/");
  assert.deepEqual([load("naive"), load("saga")], [load("tcc"), load("outbox")]);
  assert.ok(text.includes(`(naive and tcc ${load("tcc")}, saga and outbox ${load("outbox")},\nchoreography ${load("choreography")} purchases a second)`));
  const harm = results.cells.filter(({ mode }) => mode === "naive").reduce((sum, cell) => sum + harmOf(cell), 0);
  assert.ok(readFileSync(file("README.md"), "utf8").includes(`in ${guarded.length} runs of the four guarded modes, ${harm} things in \`naive\``));
  assert.ok(readFileSync(file("README.zh-CN.md"), "utf8").includes(`四种有保护的模式 ${guarded.length} 次运行无一丢失或错误，\`naive\` 有 ${harm} 处`));
});
