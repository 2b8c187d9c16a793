/** `npm run lab`: hands on to whoever does what was asked for. Each has options and a `--help` of its own. */

const [first] = process.argv.slice(2);

/** Programs that read their own command line, as if they had been called by themselves. */
const PROGRAMS: Readonly<Record<string, () => Promise<unknown>>> = {
  ladder: () => import("./ladder/main.ts"),
  wal: () => import("./wal/main.ts"),
  profile: () => import("./profile/main.ts"),
  selftest: () => import("./selftest/main.ts"),
  report: () => import("./run/report.ts"),
  "list-append": () => import("./list-append/main.ts"),
};

const program = first === undefined ? undefined : PROGRAMS[first];
if (program === undefined) {
  await import("./run/main.ts");
} else {
  process.argv.splice(2, 1);
  await program();
}
