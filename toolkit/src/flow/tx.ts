import type { Jsonable, MustBeJson } from "../protocol/json.ts";
import type { Op } from "../protocol/outcome.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Lookup, SagaParticipant, TccParticipant } from "../transports/participant.ts";

/** The branch, as its code sees it. */
export interface BranchContext {
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  /** `gid/branch`: the idempotency key, the same for every attempt, and for the action and its undo. */
  readonly key: string;
  /** 1 for the first attempt that this node knows of. */
  readonly attempt: number;
  readonly epoch: number;
  readonly notAfterMs: number;
  /** Aborts on timeout, roll back and lost ownership. */
  readonly signal: AbortSignal;
  /** For any HTTP client: gid, branch, op, epoch, idempotency key, expiry and W3C trace context. */
  headers(): Record<string, string>;
}

/** `Given` is what the function gives: a result, or a promise of one. */
type Action<Given> = (branch: BranchContext) => Given & MustBeJson<Awaited<Given>>;
type SqlAction<Given> = (db: SqlExecutor, branch: BranchContext) => Given & MustBeJson<Awaited<Given>>;

interface CodeOptions {
  readonly timeoutMs?: number;
  /** The effect is not under a barrier: how to ask whether it is there. */
  readonly unguarded?: Lookup;
}

interface PivotOptions extends CodeOptions {
  /** Not asked before this long after its registration, across crashes: time for `complete()` to bring the answer. Default 0. */
  readonly afterMs?: number;
}

export interface StepOptions<Result> extends CodeOptions {
  /** Must be said. The undo gets the step's result, or `undefined` when nobody knows how the step ended. It must not refuse. */
  readonly undo: "nothing" | ((branch: BranchContext, result: Result | undefined) => unknown);
}

export interface SqlOptions<Result> {
  readonly timeoutMs?: number;
  readonly undo: "nothing" | ((db: SqlExecutor, result: Result) => unknown);
}

export interface EmitOptions<Payload> {
  readonly key: string;
  readonly payload: Payload;
  readonly headers?: { readonly [name: string]: string };
}

/**
 * What a flow does its work with. The flow may be run again after a crash: steps that are journaled give their journaled results, so
 * whatever is not deterministic (time, ids, chance, I/O) belongs into a step, or comes from `now`, `uuid`, `random`, `sleep`.
 *
 * Steps reject with `Refused` only, which may be caught: the refused branch is not undone, and the flow may go on. An unknown outcome
 * never reaches the flow. Once roll back is decided, or another node took over, everything rejects with `Abandoned`.
 */
export interface Tx {
  readonly gid: string;
  /** A saga step: `action` now, `undo` if the transaction rolls back. */
  step<Given>(name: string, action: Action<Given>, options: StepOptions<Awaited<Given>>): Promise<Awaited<Given>>;
  step<In, Result>(name: string, participant: SagaParticipant<In, Result>, input: In & Jsonable<In>): Promise<Result>;
  /** The step after which there is no way back. It runs alone; once done, only forward. */
  pivot<Given>(name: string, action: Action<Given>, options?: PivotOptions): Promise<Awaited<Given>>;
  pivot<In, Result>(name: string, participant: SagaParticipant<In, Result>, input: In & Jsonable<In>): Promise<Result>;
  /** `try` now; `confirm` or `cancel` follows the decision. */
  tcc<In, Result>(name: string, participant: TccParticipant<In, Result>, input: In & Jsonable<In>, options?: { readonly expiresAfterMs?: number }): Promise<Result>;
  /** A business write that commits together with its journal entry: exactly once, without a barrier. The store must be the business's database. */
  sql<Given>(name: string, action: SqlAction<Given>, options: SqlOptions<Awaited<Given>>): Promise<Awaited<Given>>;
  /** A message, written to the outbox with the commit decision: sent if, and only if, the transaction commits. */
  emit<Payload>(topic: string, message: EmitOptions<Payload & Jsonable<Payload>>): Promise<void>;
  /** Waits, across crashes. */
  sleep(ms: number): Promise<void>;
  /** Unix milliseconds, the same in every replay. */
  now(): number;
  uuid(): string;
  /** In [0, 1). */
  random(): number;
}

/** A flow's own code, in the only place where it is checked that what it returns is JSON. */
export type JsonFlow<In, Out> = Flow<In, Out & MustBeJson<Out>>;

/** A flow's own code. What it returns is the transaction's result. */
export type Flow<In, Out> = (tx: Tx, input: In) => Promise<Out>;
