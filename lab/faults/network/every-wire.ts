import type { ProcessKind } from "../../platform/mode-processes.ts";
import type { WirePlan } from "../../platform/network/wires.ts";

const CALLERS: readonly ProcessKind[] = ["gateway", "orders", "stock", "payment", "provider", "relay"];
/** Those that others are told the address of. */
const CALLED: readonly ProcessKind[] = ["orders", "stock", "payment", "provider"];

/** From each kind of process to every process of another kind: the whole network between services. */
export const EVERY_WIRE: readonly WirePlan[] = CALLERS.flatMap((from) => CALLED.filter((to) => to !== from).map((to) => ({ from, to })));
