import type { ServerResponse } from "node:http";
import { textOf } from "../../protocol/errors.ts";
import { encodeResult } from "../../protocol/json.ts";
import type { Call } from "../transport.ts";
import { doneWire, toWire } from "../../wire/answers.ts";
import type { WireAnswer } from "../../wire/answers.ts";
import { answerWithin } from "../../wire/incoming.ts";
import { answerOfThrown } from "../../wire/thrown.ts";

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
export function execute(op: ParticipantOp, call: Call, execution: Execution): Promise<WireAnswer> {
  return answerWithin(execution.response, execution.callTimeoutMs, (signal) => run(op, { ...call, signal }, execution));
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
