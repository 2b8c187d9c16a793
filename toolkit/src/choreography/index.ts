/** The door `tripact/choreography`: sagas without a coordinator, for services that already talk in events. */
export { choreography, json } from "./definition.ts";
export type { Asked, AskedToUndo, Choreography, ChoreographyOptions, Initiator, InitiatorHooks, ResultsOf, Shape, StepCode, StepOptions, StepTypes } from "./definition.ts";
export type { Delivered, EventHandler } from "./handling.ts";
export type { ChoreographyOutcome, InitiatorOptions, Swept } from "./initiator.ts";
export type { ParticipantHandler, ParticipantOptions } from "./participant.ts";
export type { Seen, Tracker } from "./tracker.ts";
export type { SagaEvent } from "./event.ts";
export { Refused } from "../protocol/outcome.ts";
export type { StepShape, UndoReason } from "../protocol/choreography/decision.ts";
export type { Envelope } from "../brokers/broker.ts";
export type { SqlExecutor, SqlResult } from "../stores/sql.ts";
