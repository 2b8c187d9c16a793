import { parseArgs } from "node:util";
import { BadUsage, whole } from "../command-line.ts";
import { LIST_FAULTS, type ListFault } from "./faults.ts";
import type { ListsMode } from "./stage.ts";

export interface ListAppendOptions {
  readonly mode: ListsMode;
  readonly fault: ListFault;
  readonly clients: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly seed: number;
  /** Where the history goes. */
  readonly outFile: string;
}

const MODES: readonly ListsMode[] = ["saga", "tcc"];
const DEFAULTS = { mode: "saga", fault: "none", clients: "10", rate: "50", seconds: "20", seed: "1", out: "list-append.edn" } as const;

export const LIST_APPEND_USAGE = `npm run lab -- list-append [options]

Transactions that append to lists in two databases and read them, while something breaks. Writes down what the clients saw in
Jepsen's format, so that elle-cli can judge it, and judges by itself whether any append was lost, doubled or made up.
docs/list-append.md says what to make of elle-cli's findings.

  --mode NAME     saga: appended at once, undone on failure; tcc: set aside, then shown    (default saga)
  --fault NAME    ${LIST_FAULTS.map(({ name }) => name).join(", ")}
                  (default none)
  --clients N     each has one transaction at a time               (default 10)
  --rate N        transactions a second, of all clients together   (default 50)
  --seconds N     how long clients ask; the fault comes after a third of it   (default 20)
  --seed N        of the transactions and of who is hit            (default 1)
  --out FILE      the history                                      (default list-append.edn)

Ends with 0: nothing is wrong; 1: something is; 2: wrong options; 3: it could not be judged.
`;

/** Throws `BadUsage` with the option's name and what it got. */
export function parseListAppend(args: readonly string[]): ListAppendOptions {
  const values = { ...DEFAULTS, ...parsed(args) };
  const mode = MODES.find((name) => name === values.mode);
  if (mode === undefined) throw new BadUsage(`--mode is one of ${MODES.join(", ")}, got "${values.mode}"`);
  const fault = LIST_FAULTS.find(({ name }) => name === values.fault);
  if (fault === undefined) throw new BadUsage(`--fault is one of ${LIST_FAULTS.map(({ name }) => name).join(", ")}, got "${values.fault}"`);
  if (values.out === "") throw new BadUsage("--out needs a file's name");
  return {
    mode,
    fault,
    clients: whole("--clients", values.clients, 200),
    ratePerSecond: whole("--rate", values.rate, 2_000),
    seconds: whole("--seconds", values.seconds, 600),
    seed: whole("--seed", values.seed, 2 ** 31 - 1),
    outFile: values.out,
  };
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({ args: [...args], options: { mode: text, fault: text, clients: text, rate: text, seconds: text, seed: text, out: text } }).values;
  } catch (error) {
    throw new BadUsage(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
