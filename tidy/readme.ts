/** The README's first saga: the program as printed there, what it prints, and whether a migration comes first. */
export type FirstSaga = { readonly program: string; readonly prints: string; readonly migrates: boolean };

/**
 * Reads the blocks that open with ` ```ts first-saga ` and ` ```text first-saga `. A README without them is an error:
 * the program that newcomers copy must never be the one that nobody runs.
 */
export function firstSagaOf(readme: string): FirstSaga {
  return {
    program: block(readme, "ts"),
    prints: block(readme, "text"),
    migrates: readme.includes("npx tripact migrate"),
  };
}

function block(readme: string, language: string): string {
  const found = new RegExp(`^\`\`\`${language} first-saga\\n([^]*?)^\`\`\`$`, "m").exec(readme)?.[1];
  if (found === undefined) throw new Error(`README.md has no block that opens with \`\`\`${language} first-saga`);
  return found;
}
