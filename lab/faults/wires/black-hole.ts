import { carriersTo, wireFault } from "./wire.ts";

/** Longer than any caller waits for an answer. */
const HOLD_MS = 4_000;

/** What is asked of a participant is done, and nobody hears of it: under `partition` nothing is done, here everything is, and its caller must not take it for undone. */
export const blackHole = wireFault({
  name: "black-hole",
  mechanism: "one-way black hole in a TCP proxy: requests pass, answers come at the heal",
  wires: carriersTo("stock", "payment"),
  victims: ["stock", "payment"],
  holdMs: HOLD_MS,
  breaking: () => (proxy) => proxy.blackHole("to-caller"),
});
