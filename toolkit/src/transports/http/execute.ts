import type { ServerResponse } from "node:http";
import { textOf } from "../../protocol/errors.ts";
import { encodeResult } from "../../protocol/json.ts";
import { answerFromThrown } from "../../protocol/outcome.ts";
import type { Answer } from "../../protocol/outcome.ts";
import type { Call } from "../transport.ts";
import { doneWire, toWire, unknown } from "./answers.ts";
import type { WireAnswer } from "./answers.ts";

/** A call as an op gets it. `barrier.run` takes it as it is. */
export interface ParticipantCall extends Call {
  /** Aborts when the caller has gone or `callTimeoutMs` is over: nobody reads the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * One op of a participant. What it returns is the result, as JSON; `Refused`, `Pending` and `Pause` are said by throwing them; anything
 * else thrown is an unknown outcome and will be asked again.
 */
export type ParticipantOp = (call: ParticipantCall) => unknown;

interface Execution {
  readonly response: ServerResponse;
  readonly callTimeoutMs: number;
  readonly resultBytesMax: number;
  readonly report: (error: unknown, call: Call) => void;
}

/** Runs one op to an answer. Never rejects. An op that outlives its caller or its time goes on alone; its outcome is unknown. */
export async function execute(op: ParticipantOp, call: Call, execution: Execution): Promise<WireAnswer> {
  const { response, callTimeoutMs } = execution;
  const controller = new AbortController();
  const { promise: given, resolve: giveUp } = Promise.withResolvers<WireAnswer>();
  const onClose = (): void => {
    controller.abort(new DOMException("the caller has gone", "AbortError"));
    giveUp(toWire(unknown("internal", "the caller has gone")));
  };
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`over ${callTimeoutMs} ms`, "TimeoutError"));
    giveUp(toWire(unknown("participant-timeout", `no result within ${callTimeoutMs} ms`)));
  }, callTimeoutMs);
  response.once("close", onClose);
  // The caller may have left while the body was being checked.
  if (response.destroyed) onClose();
  try {
    return await Promise.race([run(op, { ...call, signal: controller.signal }, execution), given]);
  } finally {
    clearTimeout(timer);
    response.off("close", onClose);
  }
}

async function run(op: ParticipantOp, call: ParticipantCall, { resultBytesMax, report }: Execution): Promise<WireAnswer> {
  let result: unknown;
  try {
    result = await op(call);
  } catch (error) {
    return toWire(answerOfThrown(error, (unsaid) => report(unsaid, call)));
  }
  try {
    return doneWire(encodeResult(result, "result", resultBytesMax));
  } catch (error) {
    report(error, call);
    // The effect stands, so asking again would not help: a person has to look.
    return toWire({ kind: "pause", reason: `result-not-json: ${textOf(error)}` });
  }
}

// What the barrier says on purpose; the caller may know it by name.
const EXPECTED = ["expired", "overloaded"];

function answerOfThrown(error: unknown, report: (error: unknown) => void): Answer {
  const answer = answerFromThrown(error);
  if (answer.kind === "refused") return sendable(answer, report);
  if (answer.kind !== "unknown" || EXPECTED.includes(answer.code)) return answer;
  report(error);
  return unknown("internal", answer.error);
}

/** A refusal stands even if its details cannot be sent. */
function sendable({ code, details }: Extract<Answer, { kind: "refused" }>, report: (error: unknown) => void): Answer {
  const named = code === "" ? "refused" : code;
  try {
    if (details !== undefined && encodeResult(details, "details") !== undefined) return { kind: "refused", code: named, details };
  } catch (error) {
    report(error);
  }
  return { kind: "refused", code: named };
}
