import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { readResults } from "../results/file.ts";
import { EXAMPLE } from "../results/results.fixture.ts";
import { quotedLines } from "./in-readme.ts";

const file = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

test("a quoted table has a line for each pattern under the two faults, and as many columns in both languages", () => {
  const [en, zh] = [quotedLines(EXAMPLE, "en"), quotedLines(EXAMPLE, "zh")];
  assert.ok(en.some((line) => line.startsWith("| primary-killed | saga | 3 | 0.70 s (–) |")), en.join("\n"));
  assert.equal(en.length, 2 + EXAMPLE.cells.filter(({ fault }) => fault === "primary-killed" || fault === "coordinator-killed").length);
  assert.equal(new Set([...en, ...zh].map((line) => line.split("|").length)).size, 1);
});

test("both READMEs quote the committed result as it is", () => {
  const results = readResults(file("docs/results/lab/results.json"));
  assert.ok(existsSync(file("docs/results/lab/report.html")));
  for (const [readme, language] of [["README.md", "en"], ["README.zh-CN.md", "zh"]] as const) {
    const text = readFileSync(file(readme), "utf8");
    for (const line of quotedLines(results, language)) assert.ok(text.includes(line), `${readme} wants this line:\n${line}`);
  }
});
