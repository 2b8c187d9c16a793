import { FaultError, USUAL, type Fault } from "./fault.ts";

const HOLD_MS = 10_000;

/** A purchase worker that stands still for longer than its leases, and then goes on as if nothing had been. */
export const paused: Fault = {
  ...USUAL,
  name: "paused",
  mechanism: "SIGSTOP of a purchase worker, SIGCONT 10 s later",
  holdMs: HOLD_MS,
  victimsIn: () => ["orders-1", "orders-2"],
  async inject({ platform }, victim) {
    const process = platform.processes.get(victim);
    if (process?.pid === undefined) throw new FaultError("nothing-to-hit", `${victim} is not running, so it cannot be stopped`);
    process.pause();
    return async () => process.resume();
  },
};
