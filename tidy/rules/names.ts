import { posix } from "node:path";
import { isCode } from "../tree.ts";
import type { Rule } from "../tree.ts";

const drawers = /^(utils?|common|helpers?|types|core|misc)$/;

/** A file about one thing is named after that thing; a drawer is named after having no name. */
export const noDrawers: Rule = {
  name: "no drawers",
  check: (tree) =>
    tree.files.filter(({ path }) => isCode(path)).flatMap(({ path }) =>
      path
        .split("/")
        .filter((part) => drawers.test(posix.basename(part).replace(/\..*$/, "")))
        .map((part) => ({ path, says: `"${part}" says nothing; name it after what it holds` })),
    ),
};
