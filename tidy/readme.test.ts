import assert from "node:assert/strict";
import { test } from "node:test";
import { firstSagaOf } from "./readme.ts";

const fence = "```";
const program = `${fence}ts first-saga\nconsole.log("sold");\n${fence}\n`;
const prints = `${fence}text first-saga\nsold\n${fence}\n`;

test("the first saga is the marked block, not the first one", () => {
  const readme = `# Tripact\n${fence}ts\nconsole.log("a fragment");\n${fence}\n${program}It prints\n${prints}`;
  assert.deepEqual(firstSagaOf(readme), { program: 'console.log("sold");\n', prints: "sold\n", migrates: false });
});

test("a README that tells to migrate is followed", () => {
  assert.equal(firstSagaOf(`${program}${prints}    npx tripact migrate`).migrates, true);
});

test("a README without the program, or without what it prints, is an error", () => {
  assert.throws(() => firstSagaOf(prints), /```ts first-saga/);
  assert.throws(() => firstSagaOf(program), /```text first-saga/);
});
