import type { Rule, SourceFile, Violation } from "../tree.ts";

const registry = /\b(?:registry|npm|pkg)\.(?:[a-z0-9-]+\.)+(?:org|com|net|io|dev|cn)\b|_auth\w*=/i;
const homeFolder = /(?:^|[\s"'`(=:])(?:\/(?:home|Users)\/[\w.-]+\/|\/root\/|[A-Za-z]:\\Users\\)/;

/** A file that names the registry or the machine that it was written on works there only. */
export const noPlaces: Rule = {
  name: "no registry hosts, no machine paths",
  check: (tree) =>
    tree.files.flatMap((file) => [
      ...linesLike(file, (line) => registry.test(line), "names a package registry"),
      ...linesLike(file, (line) => homeFolder.test(line), "names a home folder"),
      ...linesLike(file, (line) => line.includes(tree.root), "names the folder of this checkout"),
    ]),
};

function linesLike({ path, text }: SourceFile, matches: (line: string) => boolean, says: string): Violation[] {
  return text.split("\n").flatMap((line, index) => (matches(line) ? [{ path, line: index + 1, says }] : []));
}
