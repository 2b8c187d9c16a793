import { Overloaded, TripactError } from "../../protocol/errors.ts";
import type { StoreHealth } from "../../stores/store.ts";
import type { Tuning } from "../options.ts";

export interface Load {
  readonly stopping: boolean;
  readonly health: StoreHealth;
  /** Seen alive within the lease. */
  readonly alive: boolean;
  /** Transactions that this node drives. */
  readonly open: number;
}

/** Why a node takes no new work now; undefined when it does. */
export function refusalOf({ stopping, health, alive, open }: Load, { overloadedRetryMs, openMax }: Tuning): TripactError | undefined {
  if (stopping) return new TripactError("stopped", "This node is stopping and takes no new work.", { hint: "Send it to another node." });
  if (health.state !== "up") return new Overloaded(`The store is ${health.state}${health.detail === undefined ? "" : `: ${health.detail}`}.`, overloadedRetryMs);
  if (!alive) return new Overloaded("This node has not been seen alive within its lease, or has lost its session with the store.", overloadedRetryMs);
  if (open >= openMax) return new Overloaded(`This node has ${openMax} transactions open.`, overloadedRetryMs);
  return undefined;
}
