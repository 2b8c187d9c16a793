import { posix } from "node:path";
import { isCode, isTest } from "../tree.ts";
import type { Rule, SourceFile } from "../tree.ts";

const fileLines = { code: 400, protocol: 300, test: 800 };
const folderFiles = 12;
const portMethods = 10;

/** The linter counts a function's lines and a TypeScript file's; this counts SQL and scripts with them. */
export const fileSize: Rule = {
  name: "file size",
  check: (tree) =>
    tree.files.filter(({ path }) => isCode(path) || path.endsWith(".sql")).flatMap(({ path, text }) => {
      const lines = text.trimEnd().split("\n").length;
      const budget = fileLines[isTest(path) ? "test" : /(^|\/)protocol\//.test(path) ? "protocol" : "code"];
      return lines > budget ? [{ path, says: `has ${lines} lines; the budget is ${budget}` }] : [];
    }),
};

/** Tests stand beside the code and do not count; neither do migrations, which only ever grow. */
export const folderSize: Rule = {
  name: "folder size",
  check: (tree) => {
    const code = tree.files.filter(({ path }) => isCode(path) && !isTest(path));
    return [...Map.groupBy(code, ({ path }) => posix.dirname(path))].flatMap(([path, files]) =>
      files.length > folderFiles ? [{ path, says: `has ${files.length} files; the budget is ${folderFiles}` }] : [],
    );
  },
};

/** The first file of a plural folder is its port; every interface in it stays small enough to be written again. */
export const portSize: Rule = {
  name: "port size",
  check: (tree) =>
    tree.files.filter(({ path }) => /\/(stores\/store|brokers\/broker|transports\/transport)\.ts$/.test(path)).flatMap(
      (file) =>
        interfacesIn(file).flatMap(({ name, line, methods }) =>
          methods > portMethods
            ? [{ path: file.path, line, says: `${name} has ${methods} methods; the budget is ${portMethods}` }]
            : [],
        ),
    ),
};

function interfacesIn({ text }: SourceFile): { name: string; line: number; methods: number }[] {
  const code = text.replace(/\/\*[^]*?\*\/|\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, " "));
  return [...code.matchAll(/\b(?:interface|type)\s+(\w+)[^{;]*\{/g)].map((match) => ({
    name: match[1] ?? "",
    line: code.slice(0, match.index).split("\n").length,
    methods: methodsIn(ownMembers(code, match.index + match[0].length)),
  }));
}

/** The text of a body that opens before `start`, without what its own brackets hold: `read(gid: Gid)` → `read()`. */
function ownMembers(code: string, start: number): string {
  let depth = 0;
  let members = "";
  for (const character of code.slice(start)) {
    if (")]}".includes(character)) depth -= 1;
    if (depth < 0) break;
    if (depth === 0) members += character;
    if ("([{".includes(character)) depth += 1;
  }
  return members;
}

function methodsIn(members: string): number {
  const isMethod = /^\s*\w+\??(<.*>)?\(\)|^\s*(readonly\s+)?\w+\??:\s*(<.*>)?\(\)\s*=>/;
  return members.split(/[;\n]/).filter((member) => isMethod.test(member)).length;
}
