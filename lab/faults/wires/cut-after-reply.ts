import type { TcpProxy } from "@tripact/testbed";
import { Cuts } from "../cuts.ts";
import { carriersTo, wireFault } from "./wire.ts";

const HOLD_MS = 4_000;
const CUTS_MAX = 20;
const PAUSE_MAX_MS = 400;
const DONE = /^HTTP\/1\.1 2\d\d /;

/** Done, answered, and not heard: whoever asks again, blindly or by key, shows what his key is worth. */
export const cutAfterReply = wireFault({
  name: "cut-after-reply",
  mechanism: `TCP proxy: a 2xx answer of a participant is dropped and its connection reset, up to ${CUTS_MAX} times within ${HOLD_MS / 1_000} s`,
  wires: carriersTo("stock", "payment"),
  victims: ["stock", "payment"],
  // Whoever asks once more is answered.
  dependency: "database",
  holdMs: HOLD_MS,
  breaking: (random) => {
    const cuts = new Cuts({ cutsMax: CUTS_MAX, pauseMaxMs: PAUSE_MAX_MS, random });
    const breaks = (proxy: TcpProxy): void => proxy.intercept(() => (direction, bytes) => (direction === "to-caller" && DONE.test(bytes.toString("latin1", 0, 16)) && cuts.take(performance.now()) ? "cut" : "forward"));
    return Object.assign(breaks, { check: () => cuts.check() });
  },
});
