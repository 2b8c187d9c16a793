import type { Notice, RelayHealth, RelayOptions, SubscriptionOptions } from "tripact/relay";
import type { Arm } from "../crash/crash.ts";

/** How a relay is to run, apart from where. */
export interface Manner {
  readonly relay?: Pick<RelayOptions, "leaseMs" | "beatEveryMs" | "probeEveryMs" | "saveEveryMs" | "idleSaveMs" | "syncEveryMs" | "tidyEveryMs" | "pollMaxMs" | "stopWithinMs">;
  readonly subscription?: Pick<SubscriptionOptions, "workers" | "queueSize" | "retry" | "slowMs" | "lockMs" | "breakerAfter" | "breakerPauseMs">;
  /** Messages a delivery. */
  readonly batchMax?: number;
  /** Says each call of the sink. */
  readonly tells?: boolean;
  /** The consumer has no inbox: a broken variant. */
  readonly forgetful?: boolean;
  /** It hears so much later how its heartbeat went. */
  readonly newsLateMs?: number;
  /** A clock that does not see that its process was stopped: the broken variant. */
  readonly blindClock?: boolean;
}

/** What the test tells a relay process, a JSON line each on its standard input. */
export type Order =
  | { readonly do: "join"; readonly logUrl: string; readonly consumerUrl: string; readonly manner: Manner; readonly arm?: Arm }
  | { readonly do: "arm"; readonly arm?: Arm }
  /** While it is closed, first deliveries wait at the sink's door. */
  | { readonly do: "gate"; readonly open: boolean }
  | { readonly do: "health" }
  | { readonly do: "requeue" }
  /** Stops that often at the same time, and then ends by itself: nobody calls `exit`. */
  | { readonly do: "stop"; readonly times?: number };

/** What it says, a JSON line each on its standard output. `atMs` is Unix time with fractions, on this machine. */
export type Report =
  | { readonly said: "warm" }
  | { readonly said: "joined"; readonly incarnation: string }
  | { readonly said: "passed"; readonly point: string }
  | { readonly said: "delivering"; readonly incarnation: string; readonly keys: readonly string[]; readonly ids: readonly string[]; readonly atMs: number }
  | { readonly said: "health"; readonly health: RelayHealth }
  | { readonly said: "notice"; readonly notice: Notice; readonly atMs: number }
  | { readonly said: "requeued" }
  | { readonly said: "stopped"; readonly tookMs: number }
  | { readonly said: "failed"; readonly order: Order; readonly error: string };

/** What a message asks of its consumer. */
export interface Work {
  /** The first so many tries fail, after their effect was written. */
  readonly fails?: number;
  /** Its handling takes that long. */
  readonly slowMs?: number;
  /** Until its key is healed, it is refused, or fails, after its effect was written. */
  readonly ill?: "refused" | "fails";
}

export const topic = "order.placed";
export const subscription = "crash";
