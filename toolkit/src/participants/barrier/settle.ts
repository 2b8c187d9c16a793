/** What the rows of a branch say to a call that could not claim its own. Pure. */
import { TripactError } from "../../protocol/errors.ts";
import type { Json } from "../../protocol/json.ts";
import type { BarrierAnswer } from "./answer.ts";
import type { CheckedCall } from "./call.ts";
import type { BarrierRow, ForwardRow, SecondRow } from "./rows.ts";

/** Throws `key-reused` if the row was written for another op or payload. */
export function answerOfForward(row: ForwardRow, call: CheckedCall): BarrierAnswer<unknown> {
  refuseOtherOp(row, call.step.op, call);
  refuseOtherPayload(row, call);
  switch (row.state) {
    case "done":
      return { kind: "done", result: decoded(row.result), how: "repeated" };
    case "refused":
      return refused(row.code ?? "", row.details, "repeated");
    case "tombstone":
      return barred("already-undone");
  }
}

/** Confirm and cancel exclude each other; every other op beside one's own is another kind of branch: `key-reused`. */
export function answerOfSecond(row: SecondRow, call: CheckedCall): BarrierAnswer<unknown> {
  if (row.op === "confirm" && call.step.op === "cancel") return barred("already-confirmed");
  if (row.op === "cancel" && call.step.op === "confirm") return barred("already-cancelled");
  refuseOtherOp(row, call.step.op, call);
  refuseOtherPayload(row, call);
  return { kind: "done", result: decoded(row.result), how: row.state === "empty" ? "empty" : "repeated" };
}

export function barred(code: string): BarrierAnswer<never> {
  return { kind: "refused", code, how: "barred" };
}

export function refuseOtherOp(row: BarrierRow, op: string, call: CheckedCall): void {
  if (row.op !== op) throw keyReused(call, `this branch has a ${row.op}, which is another kind of branch`);
}

function refuseOtherPayload(row: BarrierRow, call: CheckedCall): void {
  if (row.fingerprint === null || call.fingerprint === null || row.fingerprint === call.fingerprint) return;
  throw keyReused(call, "this op was asked for before with another payload");
}

function keyReused(call: CheckedCall, why: string): TripactError {
  return new TripactError("key-reused", `The same key came for something else: ${why}.`, {
    where: call.where,
    hint: "It says nothing about the outcome. One gid and branch names one promise.",
  });
}

export function refused(code: string, details: string | null, how: "ran" | "repeated"): BarrierAnswer<never> {
  return { kind: "refused", code, how, ...(details === null ? {} : { details: JSON.parse(details) as Json }) };
}

export function decoded(text: string | null): unknown {
  return text === null ? undefined : JSON.parse(text);
}
