/** The lab's faults, as far as this workload has something for them to hit. */
import type { Fault } from "../faults/fault.ts";
import { processKilled } from "../faults/killed/process.ts";
import { none } from "../faults/none.ts";
import { paused } from "../faults/paused.ts";
import { primaryKilled } from "../faults/primary-killed.ts";
import { primaryRestarted } from "../faults/primary-restarted.ts";

export const DESKS = ["desk-1", "desk-2"] as const;
export const KEEPERS = ["keeper-1", "keeper-2"] as const;

/** What the workload asks of a fault: whom it hits is said in this workload's names. */
export type ListFault = Pick<Fault, "name" | "database" | "spendsStandby" | "holdMs" | "inject"> & { readonly victims: readonly string[] };

export const LIST_FAULTS: readonly ListFault[] = [
  { ...none, victims: ["nobody"] },
  { ...processKilled("coordinator-killed", () => DESKS), victims: DESKS },
  { ...processKilled("keeper-killed", () => KEEPERS), victims: KEEPERS },
  { ...paused, name: "coordinator-paused", victims: DESKS },
  { ...primaryRestarted, victims: ["postgres"] },
  { ...primaryKilled, victims: ["postgres"] },
];
