import { USUAL, type Fault } from "./fault.ts";

/** The control: what is seen under it is the noise of everything else. */
export const none: Fault = {
  ...USUAL,
  name: "none",
  mechanism: "nothing",
  breaksNothing: true,
  victimsIn: () => ["nobody"],
  inject: () => Promise.resolve(() => Promise.resolve()),
};
