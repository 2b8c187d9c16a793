import { none } from "./none.ts";
import type { Fault } from "./fault.ts";

/** Nothing is broken; every mode is offered the same, and much of what the cheapest one can sell: what a pattern costs is seen here. */
export const busy: Fault = { ...none, name: "busy", mechanism: "nothing; every mode is offered seven tenths of what naive sells", load: "busy" };
