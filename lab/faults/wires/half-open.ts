import { carriersTo, wireFault } from "./wire.ts";

const HOLD_MS = 5_000;

/** As by a router that has forgotten its connections: no end, no reset, no answer. Who keeps connections finds out by his time-out alone. */
export const halfOpen = wireFault({
  name: "half-open",
  mechanism: "TCP proxy: nothing moves on the connections that are open, new ones pass; what was held arrives at the heal, late",
  wires: carriersTo("stock", "payment"),
  victims: ["stock", "payment"],
  // The participant answers whoever connects anew.
  dependency: "database",
  holdMs: HOLD_MS,
  breaking: () => (proxy) => proxy.strand(),
});
