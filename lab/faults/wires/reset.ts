import { carriersTo, wireFault } from "./wire.ts";

const HOLD_MS = 3_000;

/** Whoever calls hears at once that nobody knows; whether what he had asked is done, he cannot tell. */
export const reset = wireFault({
  name: "reset",
  mechanism: "TCP proxy: open connections end with RST, and new ones right after they were accepted",
  wires: carriersTo("stock", "payment"),
  victims: ["stock", "payment"],
  holdMs: HOLD_MS,
  breaking: () => (proxy) => proxy.reset(),
});
