/** Where the kernel is to lose packets, the lab starts itself again in a network in which there is nothing but this run. */
import { constants } from "node:os";
import { inPrivateNetwork, spawnInPrivateNetwork, whyNoPrivateNetwork } from "@tripact/testbed";
import type { Fault } from "../faults/fault.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type Network =
  /** Go on here, with these faults. */
  | { readonly kind: "here"; readonly faults: readonly Fault[] }
  /** It was done in there, and ended so. */
  | { readonly kind: "done"; readonly code: number };

/** @param say hears of what is installed for it */
export async function networkFor(faults: readonly Fault[], say: (line: string) => void): Promise<Network> {
  if (inPrivateNetwork() || faults.every(({ network }) => network === "shared")) return { kind: "here", faults };
  const why = await whyNoPrivateNetwork(say);
  if (why !== undefined) return { kind: "here", faults: faults.map((fault) => (fault.network === "own" ? { ...fault, notPossible: () => why } : fault)) };
  for (const fault of faults) await fetched(fault, say);
  return { kind: "done", code: await startedAgain() };
}

/** Nothing can be fetched in there. What could not be fetched here is that fault's to report, when its turn comes. */
async function fetched(fault: Fault, say: (line: string) => void): Promise<void> {
  if (fault.notPossible() !== undefined) return;
  try {
    await fault.fetch();
  } catch (error) {
    say(`${fault.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * The same command line once more. It is in a process group of its own, so that a Ctrl-C in the terminal reaches it once, by us, and on
 * the leash, so that it ends with us however we end.
 */
async function startedAgain(): Promise<number> {
  const lab = await spawnInPrivateNetwork({ command: process.execPath, args: [...process.execArgv, ...process.argv.slice(1)], stdio: "inherit" });
  const passOn = (name: NodeJS.Signals): void => lab.kill(name);
  for (const name of SIGNALS) process.on(name, passOn);
  try {
    const { code, signal } = await lab.waitForExit();
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } finally {
    for (const name of SIGNALS) process.off(name, passOn);
  }
}
