import type { Notice, TuningOptions } from "tripact";
import type { Arm } from "./crash.ts";
import type { ShapeName } from "./shapes.ts";

/** What the test tells a coordinator process, a JSON line each on its standard input. */
export type Order =
  | { readonly do: "join"; readonly journalUrl: string; readonly participantsUrl: string; readonly tuning: TuningOptions; readonly waitForStoreMs?: number; readonly arm?: Arm }
  | { readonly do: "arm"; readonly arm?: Arm }
  | { readonly do: "start"; readonly shape: ShapeName; readonly gid: string; readonly arm?: Arm }
  /** Starts that many, one after the other, whose second step waits for the gate. */
  | { readonly do: "start-many"; readonly prefix: string; readonly count: number }
  | { readonly do: "gate"; readonly open: boolean }
  | { readonly do: "stop" };

/** What it says, a JSON line each on its standard output. `atMs` is Unix time with fractions, on this machine. */
export type Report =
  | { readonly said: "warm" }
  | { readonly said: "joined"; readonly incarnation: string }
  | { readonly said: "passed"; readonly point: string }
  | { readonly said: "started"; readonly gid: string; readonly attached: boolean }
  | { readonly said: "notice"; readonly notice: Notice; readonly atMs: number }
  | { readonly said: "failed"; readonly order: Order; readonly code: string; readonly error: string };

export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Signs the calls to the participants. */
export const secret = "known to both sides of the crash tests";
