import { carriersTo, wireFault } from "./wire.ts";

const HOLD_MS = 3_000;

/** Nothing moves any more between orders and stock, in either direction. Connecting still works, as with a kernel whose process hangs. */
export const partition = wireFault({
  name: "partition",
  mechanism: "black hole in a TCP proxy between orders and stock",
  wires: carriersTo("stock"),
  victims: ["stock"],
  holdMs: HOLD_MS,
  breaking: () => (proxy) => proxy.blackHole(),
});
