import type { ModeName } from "../../platform/mode-processes.ts";
import { FaultError, untilHealed, USUAL, type Fault } from "../fault.ts";

const UP_AGAIN_CAP_MS = 30_000;

/** SIGKILL of one process with all that it has started. Its supervisor brings it back, as an orchestrator would; healed when it is ready. */
export function processKilled(name: string, victimsIn: (mode: ModeName) => readonly string[], more: Partial<Pick<Fault, "dependency">> = {}): Fault {
  return {
    ...USUAL,
    name,
    mechanism: "SIGKILL; started again by its supervisor",
    victimsIn,
    ...more,
    async inject({ platform }, victim) {
      const process = platform.processes.get(victim);
      if (process?.pid === undefined) throw new FaultError("nothing-to-hit", `${victim} is not running, so it cannot be killed`);
      await process.kill();
      return () => untilHealed(`${victim} is up again`, UP_AGAIN_CAP_MS, () => process.up);
    },
  };
}
