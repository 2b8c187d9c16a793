import { carriersTo, wireFault } from "./wire.ts";

/** Some five requests a second. */
const BYTES_PER_SECOND = 4_096;
const HOLD_MS = 5_000;

/** The wires to one participant carry less than is to be said: requests queue up, and their time-outs and retries fill the queue further. */
export const bandwidth = wireFault({
  name: "bandwidth",
  mechanism: `TCP proxy: ${BYTES_PER_SECOND / 1_024} KiB/s in each direction for all connections together`,
  wires: carriersTo("stock", "payment"),
  victims: ["stock", "payment"],
  // Nothing is down, and a probe would take its share of what is left.
  dependency: "database",
  holdMs: HOLD_MS,
  breaking: () => (proxy) => proxy.narrow(BYTES_PER_SECOND),
});
