import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("..", import.meta.url));

const statements = (count: number): string => Array.from({ length: count }, (_, index) => `log(${index});`).join("\n");
const loggingFunction = (lines: number): string =>
  `declare function log(n: number): void;\nexport function long(): void {\n${statements(lines)}\n}\n`;
const loggingFile = (lines: number): string => `declare function log(n: number): void;\n${statements(lines - 2)}\nexport const end = 1;`;

/** One file per fault; the name of the folder is the rule that must ring there, and no other may. */
const faults: Record<string, string> = {
  "no-floating-promises/timer.ts": 'import { setTimeout } from "node:timers/promises";\nsetTimeout(1);',
  "no-floating-promises/hook.ts": 'import { setTimeout } from "node:timers/promises";\nsetTimeout(1).then(() => 1);',
  "no-misused-promises/callback.ts": "setInterval(async () => { await Promise.resolve(); }, 1);\nexport const end = 1;",
  "no-misused-promises/condition.ts":
    "declare const leads: () => Promise<boolean>;\nexport const state = leads() ? 1 : 2;",
  "await-thenable/await.ts": "declare const seats: number;\nexport const left = await seats;",
  "switch-exhaustiveness-check/kind.ts":
    'export function sign(kind: "done" | "refused" | "unknown"): string {\n  switch (kind) {\n    case "done": return "+";\n    case "refused": return "-";\n  }\n  return "?";\n}',
  "switch-exhaustiveness-check/default.ts":
    'export function sign(kind: "done" | "refused" | "unknown"): string {\n  switch (kind) {\n    case "done": return "+";\n    default: return "-";\n  }\n}',
  "no-cycle/a.ts": 'import type { B } from "./b.ts";\nexport type A = { b: B };',
  "no-cycle/b.ts": 'import type { A } from "./a.ts";\nexport type B = { a: A };',
  "max-lines/code.ts": loggingFile(401),
  "max-lines/protocol/saga.ts": loggingFile(301),
  "max-lines/saga.test.ts": loggingFile(801),
  "max-lines-per-function/long.ts": loggingFunction(69),
  "no-explicit-any/any.ts": "export const seats = (sale: any): unknown => sale;",
  "no-default-export/door.ts": "export default 1;",
  "consistent-type-assertions/literal.ts": "export const hold = { units: 1 } as { units: number; sku?: string };",
  "consistent-type-assertions/angle.ts": "declare const units: unknown;\nexport const left = <number>units;",
  "consistent-type-imports/import.ts": 'import { Server } from "node:net";\nexport type Door = Server;',
  "no-non-null-assertion/bang.ts": "declare const seat: string | undefined;\nexport const taken = seat!;",
  "only-throw-error/text.ts": 'export function refuse(): never {\n  throw "sold out";\n}',
  "preserve-caught-error/cause.ts":
    'export function ask(call: () => void): void {\n  try {\n    call();\n  } catch (error) {\n    throw new Error(String(error));\n  }\n}',
  "no-unused-vars/idle.ts": "const idle = 1;\nexport const end = 1;",
  "eqeqeq/loose.ts": "declare const units: number | string;\nexport const none = units == 0;",
};

/** What a rule must let pass: a false alarm teaches people to switch it off. */
const innocent: Record<string, string> = {
  "innocent/story.test.ts":
    'import { describe, it, test } from "node:test";\ntest("sells", async () => { await Promise.resolve(); });\ndescribe("sale", () => { it("ends", async () => { await Promise.resolve(); }); });',
  "innocent/long.test.ts": loggingFunction(200),
  "innocent/conformance.ts": loggingFunction(200),
  "innocent/edge.ts": loggingFunction(68),
  "innocent/full.ts": loggingFile(400),
  "innocent/door.config.ts": "export default 1;",
  "testbed/reporter.ts": "export default 1;",
};

type Diagnostic = { code: string; filename: string };

describe("the linter", () => {
  let folder = "";
  let ringing = new Map<string, Set<string>>();

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tripact-lint-"));
    for (const file of [".oxlintrc.json", "tsconfig.json"]) cpSync(join(checkout, file), join(folder, file));
    // The project's compiler options, over everything in this folder.
    const { compilerOptions } = JSON.parse(readFileSync(join(checkout, "tsconfig.json"), "utf8")) as { compilerOptions: object };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["."] }));
    symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"), "junction");
    for (const [path, text] of Object.entries({ ...faults, ...innocent })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    ringing = lint(folder);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const path of Object.keys(faults)) {
    const rule = path.split("/")[0] ?? "";
    test(`rings ${rule} for ${path}`, () => assert.deepEqual([...(ringing.get(path) ?? [])], [rule]));
  }
  for (const path of Object.keys(innocent)) {
    test(`lets ${path} pass`, () => assert.deepEqual([...(ringing.get(path) ?? [])], []));
  }
});

/** Path → the rules that rang there. The linter is run as `npm run lint` does, with another output format. */
function lint(folder: string): Map<string, Set<string>> {
  const oxlint = join(checkout, "node_modules", "oxlint", "bin", "oxlint");
  const run = spawnSync(process.execPath, [oxlint, "--format=json"], { cwd: folder, encoding: "utf8" });
  assert.equal(run.status, 1, run.stderr);
  const { diagnostics } = JSON.parse(run.stdout) as { diagnostics: Diagnostic[] };
  const rang = new Map<string, Set<string>>();
  for (const { code, filename } of diagnostics) {
    const path = filename.replaceAll("\\", "/");
    const rules = rang.get(path) ?? new Set();
    rang.set(path, rules.add(/\(([\w-]+)\)$/.exec(code)?.[1] ?? code));
  }
  return rang;
}

describe("the compiler", () => {
  // Type stripping only removes; what it would have to translate fails at run time, on a user's machine.
  const unerasable: Record<string, string> = {
    "enum.ts": "export enum Outcome { done, refused, unknown }",
    "parameter-property.ts": "export class Hold {\n  constructor(readonly units: number) {}\n}",
    "namespace.ts": "export namespace sale { export const open = true; }",
  };
  let folder = "";
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tripact-erasable-"));
    symlinkSync(join(checkout, "node_modules"), join(folder, "node_modules"), "junction");
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: join(checkout, "tsconfig.json"), include: ["."] }));
    for (const [path, text] of Object.entries(unerasable)) writeFileSync(join(folder, path), text);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("refuses what cannot be erased", () => {
    const tsc = join(checkout, "node_modules", "typescript", "bin", "tsc");
    const run = spawnSync(process.execPath, [tsc, "-p", folder], { cwd: folder, encoding: "utf8" });
    for (const path of Object.keys(unerasable)) assert.match(run.stdout, new RegExp(`^${path}\\(.*TS1294`, "m"));
  });
});
