import type { SourceFile } from "./tree.ts";

/** Files that break one rule, and the paths that it must name. The rest of the rules are not asked. */
export type Planted = { readonly rule: string; readonly files: readonly SourceFile[]; readonly at: readonly string[] };

export const plantedRoot = "/somewhere/tripact";

const file = (path: string, ...lines: readonly string[]): SourceFile => ({ path, text: lines.join("\n") });

/** A file that imports `specifier` and nothing else. */
const importing = (path: string, specifier: string): SourceFile => file(path, `import { it } from "${specifier}";`);

const breaks = (rule: string, ...files: readonly SourceFile[]): Planted => ({ rule, files, at: files.map(({ path }) => path) });

const manifest = (path: string, content: object): SourceFile => file(path, JSON.stringify(content));

const toolkitDoors = manifest("toolkit/package.json", {
  name: "tripact",
  exports: { ".": { "tripact-source": "./src/index.ts" } },
});

const imports: readonly Planted[] = [
  breaks(
    "the protocol is pure",
    importing("toolkit/src/protocol/saga.ts", "../runtime/clock.ts"),
    importing("toolkit/src/protocol/plan.ts", "node:fs"),
    importing("toolkit/src/protocol/retry.ts", "pg"),
    file("toolkit/src/protocol/ids.ts", "import type {", "  Store,", '} from "../stores/store.ts";'),
    file("toolkit/src/protocol/outcome.ts", 'export * from "../flow/saga.ts";'),
    file("toolkit/src/protocol/message.ts", 'const late = () => import("../flow/saga.ts");'),
  ),
  breaks(
    "the runtime knows ports, never adapters",
    importing("toolkit/src/runtime/coordinator.ts", "../stores/postgres/store.ts"),
    importing("toolkit/src/runtime/relay.ts", "../brokers/memory.ts"),
    importing("toolkit/src/admin/read-model.ts", "../transports/http/server.ts"),
  ),
  breaks(
    "an adapter knows its port, not its neighbours",
    importing("toolkit/src/stores/postgres/store.ts", "../memory.ts"),
    importing("toolkit/src/stores/mysql/store.ts", "../postgres/flush.ts"),
    importing("toolkit/src/transports/in-process.ts", "../runtime/coordinator.ts"),
    importing("toolkit/src/brokers/http/sink.ts", "../../transports/http/signature.ts"),
  ),
  breaks(
    "the wire knows neither ports nor adapters",
    importing("toolkit/src/wire/answers.ts", "../transports/transport.ts"),
    importing("toolkit/src/wire/signing.ts", "../runtime/clock.ts"),
    importing("toolkit/src/wire/exchange.ts", "../transports/http/client.ts"),
  ),
  breaks(
    "a flow knows no store",
    importing("toolkit/src/flow/saga.ts", "../stores/store.ts"),
    importing("toolkit/src/flow/tcc.ts", "../transports/http/client.ts"),
  ),
  breaks(
    "a choreography knows neither coordinator nor adapter",
    importing("toolkit/src/choreography/initiator.ts", "../runtime/coordinator.ts"),
    importing("toolkit/src/choreography/tracker.ts", "../admin/timeline.ts"),
    importing("toolkit/src/choreography/participant.ts", "../brokers/memory/broker.ts"),
    importing("toolkit/src/choreography/rows.ts", "../stores/postgres/store.ts"),
  ),
  breaks(
    "the toolkit stands alone",
    importing("toolkit/src/index.ts", "../../flash-sale/src/index.ts"),
    importing("toolkit/src/cli/main.ts", "../../../lab/src/index.ts"),
    importing("toolkit/src/cli/show.ts", "@tripact/bench"),
  ),
  breaks(
    "nothing that ships imports the testbed",
    importing("toolkit/src/index.ts", "../../testbed/src/index.ts"),
    importing("lab/src/index.ts", "@tripact/testbed"),
  ),
  breaks(
    "the flash sale enters by tripact's public doors",
    importing("flash-sale/src/order.ts", "../../toolkit/src/flow/saga.ts"),
    importing("flash-sale/src/order.test.ts", "../../toolkit/src/index.ts"),
  ),
  breaks(
    "the lab shares no code with what it judges",
    importing("lab/checkers/no-oversell.ts", "../../flash-sale/src/stock.ts"),
    importing("lab/generator.ts", "tripact"),
  ),
  breaks(
    "a checker sees only the history",
    importing("lab/checkers/no-oversell.ts", "../generator.ts"),
    importing("lab/checkers/no-loss.ts", "pg"),
  ),
  breaks(
    "the console sees only HTTP",
    importing("console/src/page.ts", "../../toolkit/src/admin/read-model.ts"),
    importing("console/src/timeline.ts", "node:fs"),
  ),
  {
    rule: "no import cycle",
    files: [
      toolkitDoors,
      importing("toolkit/src/index.ts", "../../bench/src/journal.ts"),
      importing("bench/src/journal.ts", "tripact"),
      file("a.ts", 'import type { B } from "./b.ts";'),
      file("b.ts", 'import type { A } from "./a.js";'),
    ],
    at: ["toolkit/src/index.ts", "a.ts"],
  },
];

const filled = (path: string, lines: number): SourceFile => file(path, ...Array.from({ length: lines }, () => "it();"));

const portWith = (methods: number, method: (index: number) => string): string =>
  `export interface Store {\n${Array.from({ length: methods }, (_, index) => method(index)).join("\n")}\n}`;

const sizes: readonly Planted[] = [
  breaks(
    "file size",
    filled("toolkit/src/runtime/coordinator.ts", 401),
    filled("toolkit/src/protocol/saga.ts", 301),
    filled("toolkit/src/runtime/coordinator.test.ts", 801),
    filled("toolkit/src/stores/postgres/migrations/0001.sql", 401),
  ),
  {
    rule: "folder size",
    files: Array.from({ length: 13 }, (_, index) => file(`toolkit/src/runtime/part-${index}.ts`)),
    at: ["toolkit/src/runtime"],
  },
  breaks(
    "port size",
    file("toolkit/src/stores/store.ts", portWith(11, (index) => `  m${index}(a: { b(): void }, c: (d: Gid) => void): Promise<E>;`)),
    file("toolkit/src/brokers/broker.ts", portWith(11, (index) => `  readonly m${index}: <T>(\n    a: T,\n  ) => Promise<T>;`)),
  ),
];

const names: readonly Planted[] = [
  breaks("no drawers", file("toolkit/src/utils.ts"), file("testbed/src/helpers/port.ts"), file("toolkit/src/types.d.ts")),
  breaks(
    "decision records are whole",
    file("docs/decisions/0001-node.md", "# Node", "## Context", "## Choice"),
    file("docs/decisions/oxlint.md", "## Context", "## Choice", "## Cost"),
  ),
  {
    rule: "decision records are whole",
    files: ["node", "oxlint"].map((name) => file(`docs/decisions/0001-${name}.md`, "## Context", "## Choice", "## Cost")),
    at: ["docs/decisions/0001-oxlint.md"],
  },
  breaks(
    "no registry hosts, no machine paths",
    file(".npmrc", ["registry=https://registry", "npmjs.org/"].join(".")),
    file("README.md", ["see ", "home/jane/tripact/README.md"].join("/")),
    file("ARCHITECTURE.md", `lies in ${plantedRoot}/toolkit`),
  ),
];

const manifests: readonly Planted[] = [
  breaks("the published package runs nothing on install", manifest("toolkit/package.json", { scripts: { prepare: "tsc" } })),
  breaks("the published package brings no driver", manifest("toolkit/package.json", { dependencies: { pg: "8.0.0" } })),
  {
    rule: "every door has its source, types and build",
    files: [
      manifest("toolkit/package.json", {
        exports: { ".": { types: "./dist/index.d.ts", "tripact-source": "./src/index.ts", default: "./dist/index.js" } },
      }),
    ],
    at: ["toolkit/package.json", "toolkit/package.json"],
  },
  breaks("tools are pinned exactly", manifest("package.json", { devDependencies: { oxlint: "^1.89.0" } })),
  breaks("the lockfile names no registry", file("package-lock.json", '      "resolved": "https://example.test/pg.tgz",')),
];

export const planted: readonly Planted[] = [...imports, ...sizes, ...names, ...manifests];
