import { TripactError } from "../protocol/errors.ts";
import { copyOf, type Json, type Jsonable } from "../protocol/json.ts";
import { checkDuration } from "../runtime/options.ts";
import type { DriverHost, Runnable } from "../runtime/driver.ts";
import { FlowRun } from "./run.ts";
import type { Flow, JsonFlow } from "./tx.ts";

export interface SagaOptions {
  /** Raise it when the flow's steps change: a transaction stays on the version that it started with. Default "1". */
  readonly version?: string;
  /** Roll back if nothing was decided after this time. */
  readonly deadlineMs?: number;
}

/** A definition: a named, versioned flow. `In` and `Out` are the flow's own. */
export interface Saga<In, Out> extends Runnable {
  /** The flow as it was given, for who wants to run it otherwise (`tripact/testing` does). */
  readonly flow: Flow<In, Out>;
  /** Never there at run time. */
  readonly types?: (input: In) => Out;
}

/**
 * Defines a transaction by a flow: an async function that asks for steps. Saga steps, TCC branches, local SQL and messages mix freely.
 *
 *     const purchase = saga("purchase", async (tx, order: Order) => { … });
 */
export function saga<In, Out>(name: string, flow: JsonFlow<In, Out>): Saga<In, Out>;
export function saga<In, Out>(name: string, options: SagaOptions, flow: JsonFlow<In, Out>): Saga<In, Out>;
export function saga<In, Out>(name: string, second: SagaOptions | Flow<In, Out>, third?: Flow<In, Out>): Saga<In, Out> {
  const flow = typeof second === "function" ? second : third;
  const options = typeof second === "function" ? {} : second;
  if (typeof name !== "string" || name === "") throw new TripactError("invalid-option", "A saga has a name.");
  if (flow === undefined) throw new TripactError("invalid-option", "A saga has a flow: an async function.", { where: name });
  checkDuration(options.deadlineMs, "deadlineMs", name);
  return {
    definition: name,
    version: options.version ?? "1",
    defaults: options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs },
    flow,
    // The journal holds what the door accepted as `In`.
    drive: (input: Json, host: DriverHost) => new FlowRun((tx) => flow(tx, copyOf(input) as In), host),
  };
}

export type InputOf<S> = S extends Saga<infer In, unknown> ? In & Jsonable<In> : never;
