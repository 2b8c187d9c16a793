// tsc carries over code only; migrations are read at run time from beside the compiled code.
import { cp, glob } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

for await (const file of glob("src/**/*.sql", { cwd: root })) {
  await cp(`${root}/${file}`, `${root}/${file.replace(/^src/, "dist")}`, { recursive: true });
}
