import type { Json } from "../protocol/json.ts";
import type { Answer, Op } from "../protocol/outcome.ts";

/** One call of one op of one branch. The same `key` goes with every attempt, and with the undo of the same branch. */
export interface Call {
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  /** `gid/branch`: the idempotency key, stable over attempts and ops. */
  readonly key: string;
  /** The journal's epoch of the owner that calls. The barrier records it; it never compares. */
  readonly epoch: number;
  /** 1 for the first attempt that this owner knows of. */
  readonly attempt: number;
  readonly payload: Json;
  /**
   * The forward op's result, for `confirm`, `cancel` and `compensate`; absent when the forward outcome is unknown.
   */
  readonly forwardResult?: Json;
  /** Unix time in milliseconds after which the participant must not execute this call any more (it answers `expired`). */
  readonly notAfterMs: number;
  /** W3C trace context of the transaction. */
  readonly traceparent?: string;
}

export interface TransportFeatures {
  /** The participant runs in this process: no serialisation, no signature. */
  readonly inProcess: boolean;
  /** The participant takes `forget` calls: it keeps barrier rows. */
  readonly forgets?: boolean;
}

/** The gid of a `forget` call, whose payload holds those that it is about. */
export const FORGET_GID = "tripact.forget";

/**
 * Carries calls to participants. It never throws for a participant's behaviour: a timeout, a reset, a 5xx, an unparsable answer are
 * `unknown`. `signal` aborts the attempt (timeout, roll back, lost ownership); an aborted attempt is `unknown` too.
 */
export interface Transport {
  readonly features: TransportFeatures;
  call(call: Call, signal: AbortSignal): Promise<Answer>;
  /** Closes idle connections. Twice without harm. */
  close(): Promise<void>;
}
