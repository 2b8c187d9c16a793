import { FaultError, untilHealed, USUAL, type Fault } from "./fault.ts";

const TAKEN_OVER_CAP_MS = 40_000;

/** The primary with every backend; its synchronous standby takes over. Healed when a write through the one address was committed. */
export const primaryKilled: Fault = {
  ...USUAL,
  name: "primary-killed",
  mechanism: "SIGKILL of the postmaster and every backend; the standby is promoted",
  spendsStandby: true,
  victimsIn: () => ["postgres"],
  async inject({ databases, watch }) {
    if (databases.primary.pid === undefined) throw new FaultError("nothing-to-hit", "the primary is not running, so it cannot be killed");
    await databases.primary.crash();
    return async () => {
      await untilHealed("the standby takes writes", TAKEN_OVER_CAP_MS, () => watch.state === "gave-up" || watch.timeline.some(({ kind }) => kind === "writable"));
      if (watch.state === "gave-up") throw new FaultError("not-healed", `nobody took over: ${watch.timeline.at(-1)?.detail}`);
    };
  },
};
