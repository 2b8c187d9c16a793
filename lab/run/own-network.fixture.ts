/** Stands in for the lab's main, for its test: asks for the network that its fault needs, and tells from within what it is. */
import { spawnLeashed } from "@tripact/testbed";
import { faultNamed } from "../faults/all.ts";
import type { Fault } from "../faults/fault.ts";
import { networkFor } from "./own-network.ts";

const [what = "", ...args] = process.argv.slice(2);
/** Whoever is started in there inherits what was fetched before. */
const FETCHED = "TRIPACT_TEST_FETCHED";
const faults = what.split(",").flatMap((name) => faultNamed(name) ?? []).map((fault): Fault => ({
  ...fault,
  async fetch() {
    if (args.includes("fails")) throw new Error("nowhere to fetch it from");
    process.env[FETCHED] = `${process.env[FETCHED] ?? ""}${fault.name} by ${process.pid} `;
  },
}));
const network = await networkFor(faults, (line) => console.error(line));
if (network.kind === "done") {
  process.exitCode = network.code;
} else {
  let terminations = 0;
  process.on("SIGTERM", () => {
    terminations += 1;
    // A moment for a second one that nobody sent.
    if (terminations === 1) setTimeout(() => process.exit(40 + terminations), 300);
  });
  const child = await spawnLeashed({ command: "sleep", args: ["1000"], keepsParentAlive: false });
  console.log(JSON.stringify({ pids: [process.pid, child.pid], parent: process.ppid, args, fetched: process.env[FETCHED] ?? "", notPossible: network.faults.map((each) => each.notPossible() ?? null) }));
  if (args.includes("ends")) process.exit(7);
  setInterval(() => undefined, 1_000);
}
