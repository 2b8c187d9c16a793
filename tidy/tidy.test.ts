import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { planted, plantedRoot } from "./planted.ts";
import { rules } from "./rules.ts";
import { readTree } from "./tree.ts";
import type { Rule, Tree } from "./tree.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url)).replace(/[/\\]$/, "");

const findings = (rule: Rule, tree: Tree): string[] =>
  rule.check(tree).map(({ path, line, says }) => `${path}${line === undefined ? "" : `:${line}`} ${says}`);

const assertClean = (rule: Rule, tree: Tree): void => {
  const found = findings(rule, tree);
  assert.ok(found.length === 0, found.join("\n"));
};

describe("this tree", () => {
  const tree = readTree(checkout);
  test("is read whole", () => {
    const paths = tree.files.map(({ path }) => path);
    for (const known of ["package.json", ".ci/run", "toolkit/src/index.ts", "tidy/tidy.test.ts"]) assert.ok(paths.includes(known), known);
  });
  for (const rule of rules) test(rule.name, () => assertClean(rule, tree));
});

describe("a planted violation is seen", () => {
  for (const rule of rules) {
    test(rule.name, () => {
      const cases = planted.filter((plant) => plant.rule === rule.name);
      assert.ok(cases.length > 0, "no violation is planted for this rule");
      for (const { files, at } of cases) {
        const seen = rule.check({ root: plantedRoot, files }).map(({ path }) => path);
        assert.deepEqual(seen.toSorted(), at.toSorted());
      }
    });
  }
  test("and every planted one belongs to a rule", () => {
    const known = new Set(rules.map(({ name }) => name));
    assert.deepEqual(planted.filter(({ rule }) => !known.has(rule)), []);
  });
});

// The other half of a rule: what it must let pass.
const innocent: Tree = {
  root: plantedRoot,
  files: [
    { path: "toolkit/src/protocol/saga.ts", text: 'import { createHash } from "node:crypto";' },
    { path: "toolkit/src/runtime/coordinator.ts", text: 'import type { Store } from "../stores/store.ts";\n// import { x } from "../stores/memory.ts";' },
    { path: "toolkit/src/runtime/coordinator.test.ts", text: 'import { memoryStore } from "../stores/memory.ts";' },
    { path: "toolkit/src/flow/tx.ts", text: 'import type { SqlExecutor } from "../stores/sql.ts";' },
    { path: "toolkit/src/stores/postgres/store.ts", text: 'import { flush } from "./flush.ts";\nimport type { Store } from "../store.ts";' },
    { path: "toolkit/src/brokers/http/sink.ts", text: 'import { signText } from "../../wire/signing.ts";\nimport type { Sink } from "../broker.ts";' },
    { path: "toolkit/src/wire/signing.ts", text: 'import { createHmac } from "node:crypto";\nimport { TripactError } from "../protocol/errors.ts";' },
    { path: "toolkit/src/stores/store.ts", text: "export interface Store {\n  close(): Promise<void>;\n}" },
    { path: "toolkit/package.json", text: '{"name":"tripact","exports":{}}' },
    { path: "flash-sale/src/order.ts", text: 'import { saga } from "tripact";' },
    { path: "lab/checkers/no-oversell.ts", text: 'import type { History } from "../history/history.ts";' },
    { path: "package-lock.json", text: '"resolved": "toolkit",\n"link": true' },
  ],
};

describe("what is allowed is let pass", () => {
  for (const rule of rules) test(rule.name, () => assertClean(rule, innocent));
});
