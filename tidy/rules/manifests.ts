import type { Rule, SourceFile, Tree, Violation } from "../tree.ts";

const published = "toolkit/package.json";
const lifecycle = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"];
const drivers = /^(pg|pg-.*|postgres|mysql2?|mariadb|redis|ioredis|@redis\/.*|kafkajs|nats|@nats-io\/.*|amqplib|@grpc\/.*)$/;

type Manifest = {
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  exports?: Record<string, Record<string, string>>;
};

const decode = (file: SourceFile): Manifest => JSON.parse(file.text) as Manifest;

const publishedManifest = (tree: Tree): SourceFile[] => tree.files.filter(({ path }) => path === published);

const inPublished = (judge: (manifest: Manifest, tree: Tree) => readonly string[]) => (tree: Tree): Violation[] =>
  publishedManifest(tree).flatMap((file) => judge(decode(file), tree).map((says) => ({ path: file.path, says })));

export const noInstallScripts: Rule = {
  name: "the published package runs nothing on install",
  check: inPublished(({ scripts = {} }) =>
    lifecycle.filter((name) => name in scripts).map((name) => `has the lifecycle script "${name}"`),
  ),
};

export const noDrivers: Rule = {
  name: "the published package brings no driver",
  check: inPublished(({ dependencies = {} }) =>
    Object.keys(dependencies)
      .filter((name) => drivers.test(name))
      .map((name) => `depends on ${name}; a driver is an optional peer`),
  ),
};

/** The first matching condition wins: the source must come before the build, the types before the code. */
export const wholeDoors: Rule = {
  name: "every door has its source, types and build",
  check: inPublished(({ exports = {} }, tree) =>
    Object.entries(exports).filter(([door]) => !door.endsWith(".json")).flatMap(([door, conditions]) => {
      const source = conditions["tripact-source"] ?? "";
      const built = source.replace("./src/", "./dist/").replace(/\.ts$/, "");
      const wanted = { "tripact-source": source, types: `${built}.d.ts`, default: `${built}.js` };
      return [
        ...(JSON.stringify(conditions) === JSON.stringify(wanted) ? [] : [`${door} is not ${JSON.stringify(wanted)}`]),
        ...(tree.files.some(({ path }) => path === source.replace(".", "toolkit")) ? [] : [`${door} has no source file`]),
      ];
    }),
  ),
};

/** Our own tools are pinned; what the published package asks for may be a range. */
export const exactTools: Rule = {
  name: "tools are pinned exactly",
  check: (tree) =>
    tree.files.filter(({ path }) => path === "package.json").flatMap((file) =>
      Object.entries(decode(file).devDependencies ?? {})
        .filter(([, version]) => !/^\d/.test(version))
        .map(([name, version]) => ({ path: file.path, says: `takes ${name} at "${version}"` })),
    ),
};

/** A `resolved` address ties the lockfile to one registry; workspace links are relative and stay. */
export const freeLockfile: Rule = {
  name: "the lockfile names no registry",
  check: (tree) =>
    tree.files.filter(({ path }) => path.endsWith("package-lock.json")).flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, index) =>
        /"resolved": "[a-z+]+:/.test(line) ? [{ path, line: index + 1, says: "has a resolved address" }] : [],
      ),
    ),
};
