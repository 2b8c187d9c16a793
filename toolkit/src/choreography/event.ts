/** The events of a choreographed saga as messages: topic says what happened, key is the gid, the payload carries the facts. */
import type { Message } from "../participants/outbox.ts";
import type { UndoReason } from "../protocol/choreography/decision.ts";
import { TripactError } from "../protocol/errors.ts";
import { checkGid } from "../protocol/ids.ts";
import type { Json } from "../protocol/json.ts";
import type { Delivered } from "./handling.ts";

/** Results by step; a step without a result is not in it. */
export type Results = { readonly [step: string]: Json };

/** What an event brings to the step that it begins: the input, and the results of all steps that led here. */
export interface Facts {
  readonly input: Json;
  readonly results: Results;
}

export type SagaEvent =
  /** From the initiator, with its row. */
  | ({ readonly kind: "started" } & Facts)
  /** From a step's service, with its effect: `results` has those of the steps that led here, and its own. */
  | ({ readonly kind: "done"; readonly step: string } & Facts)
  | { readonly kind: "refused"; readonly step: string; readonly code: string; readonly details?: Json }
  | { readonly kind: "undone"; readonly step: string }
  /** From the initiator, with its decision. */
  | { readonly kind: "undo"; readonly step: string; readonly input: Json; readonly reason: UndoReason }
  | ({ readonly kind: "committed" } & Facts)
  | { readonly kind: "rolled-back"; readonly reason: UndoReason };

/** `purchase.started`, `purchase.reserve.done`, `purchase.reserve.undo`, `purchase.committed`, … */
export function topicOf(definition: string, event: { readonly kind: SagaEvent["kind"]; readonly step?: string }): string {
  return event.step === undefined ? `${definition}.${event.kind}` : `${definition}.${event.step}.${event.kind}`;
}

export function messageOf(definition: string, gid: string, event: SagaEvent): Message<SagaEvent> {
  return { topic: topicOf(definition, event), key: gid, payload: event };
}

/**
 * Reads a delivered message as an event of this choreography. Throws `invalid-input` for one that is not: handed to the wrong handler,
 * or written by somebody who does not know its shape.
 */
export function readEvent(definition: string, envelope: Pick<Delivered, "topic" | "key" | "payload">): { readonly gid: string; readonly event: SagaEvent } {
  const gid = checkGid(envelope.key);
  const event = decoded(envelope.payload);
  if (event !== undefined && topicOf(definition, event) === envelope.topic) return { gid, event };
  throw new TripactError("invalid-input", `${envelope.topic} is not an event of the choreography ${definition}.`, {
    where: gid,
    hint: "Subscribe its handlers to their `topics`.",
  });
}

/** An event is an object, so text can only be one that was not read yet. */
function decoded(payload: Json): SagaEvent | undefined {
  let value: unknown = payload;
  try {
    if (typeof payload === "string") value = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  return isWhole(value) ? (value as SagaEvent) : undefined;
}

/** Whether everything is there that handlers rely on. */
function isWhole(value: Readonly<Record<string, unknown>>): boolean {
  const { kind, step, input, results, code, reason } = value;
  const hasFacts = input !== undefined && isObject(results);
  switch (kind) {
    case "started":
    case "committed":
      return step === undefined && hasFacts;
    case "rolled-back":
      return step === undefined && isObject(reason);
    case "done":
      return typeof step === "string" && hasFacts;
    case "undo":
      return typeof step === "string" && input !== undefined && isObject(reason);
    case "refused":
      return typeof step === "string" && typeof code === "string";
    case "undone":
      return typeof step === "string";
    default:
      return false;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
