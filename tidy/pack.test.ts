import { freshDatabase } from "@tripact/testbed";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { importsOf } from "./imports.ts";
import { firstSagaOf } from "./readme.ts";
import type { FirstSaga } from "./readme.ts";
import { driver, npm, oldestTools, openStranger } from "./stranger.ts";
import type { Stranger } from "./stranger.ts";
import { readTree } from "./tree.ts";

const checkout = fileURLToPath(new URL("..", import.meta.url));

// The oldest supported line, and the one that this repository runs on.
const runtimes = [
  { name: "Node 22", node: (stranger: Stranger) => join(stranger.folder, "node_modules/node-oldest/bin/node") },
  { name: `Node ${process.versions.node}`, node: () => process.execPath },
];
const compilers = [
  { name: "TypeScript 5.9", compiler: (stranger: Stranger) => join(stranger.folder, "node_modules/typescript-oldest/bin/tsc") },
  { name: "TypeScript 7", compiler: () => join(checkout, "node_modules/typescript/bin/tsc") },
];

// `skipLibCheck` is off: our declarations must stand on their own in a project without our settings.
const userOptions = {
  compilerOptions: {
    target: "es2022",
    module: "nodenext",
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ["node"],
  },
  files: ["first-saga.ts"],
};

type Manifest = { dependencies?: object; peerDependencies?: object };
type Packed = { filename: string; files: { path: string }[] };

describe("the packed tarball", () => {
  let stranger: Stranger;
  let files: string[] = [];
  let saga: FirstSaga;

  before(() => {
    saga = readFirstSaga();
    stranger = openStranger();
    const packed = pack(stranger.folder);
    files = packed.files.map(({ path }) => path);
    stranger.install(`./${packed.filename}`, ...oldestTools);
  });
  after(() => stranger.remove());

  test("holds the build and its papers, nothing else", () => {
    assert.deepEqual(files.filter((path) => !/^(dist\/.*|bin\/tripact\.js|package\.json|README\.md|LICENSE)$/.test(path)), []);
    assert.deepEqual(files.filter((path) => path.includes(".test.")), []);
    for (const known of ["dist/index.js", "dist/index.d.ts", "bin/tripact.js", "LICENSE"]) assert.ok(files.includes(known), known);
  });

  test("has no build output whose source is gone", () => {
    const sourceOf = (path: string): string => path.replace(/^dist/, "toolkit/src").replace(/(\.d\.ts|\.js)$/, ".ts");
    const built = files.filter((path) => path.startsWith("dist/"));
    assert.deepEqual(built.filter((path) => !existsSync(join(checkout, sourceOf(path)))), []);
  });

  test("imports only what its manifest names", () => {
    const installed = join(stranger.folder, "node_modules/tripact");
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Manifest;
    const named = new Set(["tripact", ...Object.keys({ ...dependencies, ...peerDependencies })]);
    const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
    const foreign = importsOf(readTree(join(installed, "dist"))).filter(
      ({ specifier }) => !/^(\.|node:)/.test(specifier) && !named.has(packageOf(specifier)),
    );
    assert.deepEqual(foreign, []);
  });

  test("carries this project's licence", () => {
    const licence = (path: string): string => readFileSync(path, "utf8");
    assert.equal(licence(join(stranger.folder, "node_modules/tripact/LICENSE")), licence(join(checkout, "LICENSE")));
  });

  for (const { name, node } of runtimes) {
    test(`shows its help on ${name}`, () => {
      assert.match(stranger.run(node(stranger), ["node_modules/tripact/bin/tripact.js", "--help"]), /tripact/);
    });
    test(`opens its main door without a driver on ${name}`, () => {
      assert.ok(!existsSync(join(stranger.folder, "node_modules", driver.name)));
      stranger.run(node(stranger), ["--eval", 'import("tripact").catch((error) => { console.error(error); process.exitCode = 1; })']);
    });
  }

  test("says in one line that a Node is too old", () => {
    stranger.write("old.mjs", 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });\nawait import("./node_modules/tripact/bin/tripact.js");\n');
    const old = spawnSync(process.execPath, ["old.mjs"], { cwd: stranger.folder, encoding: "utf8" });
    assert.deepEqual({ status: old.status, stderr: old.stderr }, { status: 5, stderr: "tripact: it needs Node 22.18 or later, and this is 20.20.2\n" });
  });

  describe("with a driver beside it", () => {
    before(() => {
      stranger.install(`${driver.name}@${driver.version}`);
      stranger.write("first-saga.ts", saga.program);
      stranger.write("tsconfig.json", JSON.stringify(userOptions));
    });

    for (const { name, compiler } of compilers) {
      test(`compiles the README's first saga under ${name}`, () => {
        stranger.run(process.execPath, [compiler(stranger), "-p", "."]);
      });
    }
    for (const { name, node } of runtimes) {
      test(`runs the README's first saga on ${name}`, async () => {
        const database = await freshDatabase("first_saga");
        try {
          const env = { TRIPACT_URL: database.url };
          if (saga.migrates) stranger.run(node(stranger), ["node_modules/tripact/bin/tripact.js", "migrate"], env);
          assert.equal(stranger.run(node(stranger), ["first-saga.ts"], env), saga.prints);
        } finally {
          await database.drop();
        }
      });
    }
  });
});

function pack(destination: string): Packed {
  const report = npm(join(checkout, "toolkit"), "pack", "--json", "--pack-destination", destination);
  // What the build prints comes first; the report is the array that closes the output.
  const [packed] = JSON.parse(report.slice(report.search(/^\[$/m))) as [Packed];
  return packed;
}

function readFirstSaga(): FirstSaga {
  const readme = join(checkout, "README.md");
  if (existsSync(readme)) return firstSagaOf(readFileSync(readme, "utf8"));
  return { program: 'import * as tripact from "tripact";\nconsole.log(typeof tripact);\n', prints: "object\n", migrates: false };
}
