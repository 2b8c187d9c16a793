export { createTripact, type Health, type StartOptions, type Started, type Tripact, type TripactOptions } from "./tripact.ts";
export { saga, type Saga, type SagaOptions } from "./flow/saga.ts";
export {
  twoPhaseMessage,
  type Aborted,
  type CheckBack,
  type CheckBackAnswer,
  type OutgoingMessage,
  type Prepared,
  type PrepareOptions,
  type Submitted,
  type TwoPhaseMessage,
  type TwoPhaseOptions,
} from "./flow/two-phase.ts";
export { plan, resultOf, PlanBuilder } from "./flow/plan.ts";
export type { BranchContext, EmitOptions, Flow, SqlOptions, StepOptions, Tx } from "./flow/tx.ts";
export { participant, type OpCall, type SagaOps, type TccOps } from "./transports/in-process/participant.ts";
export type { Lookup, Participant, SagaParticipant, TccParticipant } from "./transports/participant.ts";
export { Pause, Pending, Refused, type Answer, type Op } from "./protocol/outcome.ts";
export { Abandoned, ConflictingGid, IllegalTransition, MessageAborted, MessageSubmitted, NeverStarted, Overloaded, TripactError, type TripactErrorCode } from "./protocol/errors.ts";
export type { Json, Jsonable } from "./protocol/json.ts";
export type { Plan, PlanBranch } from "./protocol/plan.ts";
export type { RollBackReason, ParkReason, Verdict } from "./protocol/transaction.ts";
export type { BranchReport, TransactionOutcome } from "./runtime/outcome.ts";
export type { Completion } from "./runtime/letters.ts";
export type { Notice } from "./runtime/notices.ts";
export type { TuningOptions } from "./runtime/options.ts";
export type { SqlExecutor, SqlResult } from "./stores/sql.ts";
export type { Store } from "./stores/store.ts";
export { memoryStore } from "./stores/memory/store.ts";
export { MemoryDatabase } from "./stores/memory/database.ts";
