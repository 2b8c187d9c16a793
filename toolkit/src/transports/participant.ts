import type { Guard } from "../protocol/transaction.ts";
import type { Transport } from "./transport.ts";

/** Asks a participant without a barrier whether the effect under this key is there: the only honest way out of unknown. */
export interface Lookup {
  readonly ask: (key: string, signal: AbortSignal) => Promise<boolean>;
  /** How long after its timeout a lost call may still land; `lookup` is asked once more after it. */
  readonly settleMs: number;
}

/**
 * A participant as the coordinator sees it: how to reach it, and what it promises. `In` and `Out` are the forward op's input and
 * result; they exist for the compiler only.
 */
export interface Participant<Kind extends "saga" | "tcc" = "saga" | "tcc", In = never, Out = unknown> {
  readonly kind: Kind;
  /** What the journal calls it: a name that every node knows, or its URL. Without one, only the flow can reach it again. */
  readonly target: string | undefined;
  readonly transport: Transport;
  readonly guard: Guard;
  readonly lookup?: Lookup;
  readonly timeoutMs?: number;
  /** Never there at run time. */
  readonly types?: (input: In) => Out;
}

export type SagaParticipant<In, Out> = Participant<"saga", In, Out>;
export type TccParticipant<In, Out> = Participant<"tcc", In, Out>;
