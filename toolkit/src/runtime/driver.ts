import type { Json } from "../protocol/json.ts";
import type { Answer, Op } from "../protocol/outcome.ts";
import type { Forward, TransactionEvent } from "../protocol/transaction.ts";
import type { DefinitionVersion } from "../stores/store.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Lookup, Participant } from "../transports/participant.ts";

/** What the code of an op is told. */
export interface OpContext {
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  readonly key: string;
  readonly epoch: number;
  readonly attempt: number;
  readonly notAfterMs: number;
  readonly traceparent: string | undefined;
  readonly signal: AbortSignal;
  /** Of the forward op, for the second phase; absent when its outcome is unknown. */
  readonly forwardResult: Json | undefined;
}

/** How to ask one op of one branch. It answers; it does not throw for what the participant does. */
export type AskOp = (context: OpContext) => Promise<Answer>;
/** A local SQL op: runs inside the journal's own transaction; what it throws is classified by the runtime. */
export type SqlOp = (db: SqlExecutor, context: OpContext) => Promise<unknown>;

export type BranchCode =
  | { readonly kind: "ask"; readonly ask: AskOp; readonly timeoutMs: number | undefined; readonly lookup: Lookup | undefined }
  | { readonly kind: "participant"; readonly participant: Participant; readonly payload: Json }
  | { readonly kind: "sql"; readonly run: SqlOp; readonly timeoutMs: number | undefined };

/** What a driver may do to its transaction. */
export interface DriverHost {
  readonly gid: string;
  /** Evolves at once and journals with the next flush. */
  append(event: TransactionEvent): void;
  state(): Forward | undefined;
  nowWallMs(): number;
  random(): number;
  uuid(): string;
  messageId(): string;
  turn(then: () => void): void;
  readonly payloadBytesMax: number;
  readonly canSql: boolean;
}

/** Says what comes next in the forward phase, and knows the code of the branches that are closures. */
export interface Driver {
  /** Begins; `past` is the journal so far, empty when the transaction is new. */
  begin(past: readonly TransactionEvent[]): void;
  /** A forward op settled (or an operator settled it). */
  heard(event: TransactionEvent): void;
  /** Has heard something that the user's code did not react to yet: what it asks next may join the same flush. */
  readonly settling: boolean;
  /** Undefined when this run has not reached the branch. */
  code(branch: string, op: Op): BranchCode | undefined;
  /** Whether the user's code may still reach further branches by itself (a replay that is not through). */
  readonly replaying: boolean;
  abandon(why: string): void;
}

/** Something that `createTripact` can run: a flow's definition. The runtime sees only this much of it. */
export interface Runnable extends DefinitionVersion {
  readonly defaults: { readonly deadlineMs?: number };
  /** Looks at an input at the door, before anything is written; throws what it does not let in. */
  readonly check?: (input: Json, payloadBytesMax: number) => void;
  drive(input: Json, host: DriverHost): Driver;
}
