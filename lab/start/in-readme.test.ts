import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import type { Results } from "./figures.ts";
import { quotedRows } from "./in-readme.ts";

const textOf = (path: string): string => readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");

test("both READMEs quote the committed figures as they are", () => {
  const rows = quotedRows(JSON.parse(textOf("docs/results/start.json")) as Results);
  assert.equal(rows.length, 5);
  for (const readme of ["README.md", "README.zh-CN.md"]) {
    for (const row of rows) assert.ok(textOf(readme).includes(row), `${readme} wants this line:\n${row}`);
  }
});
