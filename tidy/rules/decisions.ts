import type { Rule } from "../tree.ts";

const headings = ["Context", "Choice", "Cost"];

/** A decision without its cost is an advertisement. */
export const decisionShape: Rule = {
  name: "decision records are whole",
  check: (tree) => {
    const records = tree.files.filter(({ path }) => path.startsWith("docs/decisions/") && path.endsWith(".md"));
    const misnamed = records.filter(({ path }) => !/\/(README|\d{4}-[a-z0-9-]+)\.md$/.test(path));
    const numbered = records.filter(({ path }) => /\/\d{4}-/.test(path));
    return [
      ...misnamed.map(({ path }) => ({ path, says: "is not named NNNN-what-it-decides.md" })),
      ...numbered.flatMap(({ path, text }) =>
        headings
          .filter((heading) => !new RegExp(`^## ${heading}$`, "m").test(text))
          .map((heading) => ({ path, says: `has no "## ${heading}"` })),
      ),
      ...[...Map.groupBy(numbered, ({ path }) => /\/(\d{4})-/.exec(path)?.[1])].flatMap(([number, sharing]) =>
        sharing.slice(1).map(({ path }) => ({ path, says: `takes number ${number} a second time` })),
      ),
    ];
  },
};
