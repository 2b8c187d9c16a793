import { fetchFakedClock, whyNoFakedClock } from "@tripact/testbed";
import { FaultError, USUAL, type Fault } from "./fault.ts";

const HOLD_MS = 8_000;
const HOUR_MS = 3_600_000;

/** Processes of which one has its wall clock jump: what is written and compared by it is an hour off, and an hour back when it is set right. */
export const SKEWABLE = ["orders-1", "postgres"] as const;

/**
 * The wall clock of a purchase worker, or of the primary, is an hour ahead for a while. What expires may expire early, which is a business no;
 * nothing may be done twice, and no unit go missing. Monotonic clocks stay true, and so does everybody else's.
 */
export const clockSkewed: Fault = {
  ...USUAL,
  name: "clock-skewed",
  mechanism: "libfaketime: the wall clock of a purchase worker, or of the primary, an hour ahead for 8 s",
  notPossible: whyNoFakedClock,
  fetch: fetchFakedClock,
  clocks: "faked",
  holdMs: HOLD_MS,
  victimsIn: () => SKEWABLE,
  async inject({ clocks }, victim) {
    const clock = clocks?.get(victim);
    if (clock === undefined) throw new FaultError("nothing-to-hit", `${victim} goes by the machine's clock, which is not to be changed`);
    clock.setAhead(HOUR_MS);
    return async () => clock.setAhead(0);
  },
};
