import type { Json } from "../../protocol/json.ts";
import { fromWire, isObject } from "../../wire/answers.ts";
import type { WireAnswer } from "../../wire/answers.ts";
import type { Exchanged } from "../../wire/exchange.ts";
import type { Receipt } from "../broker.ts";

/**
 * What an answer says of a message:
 *
 *     2xx   done        whatever the body is
 *     409   refused     {"code", "details"?}
 *     422   refused     {"code": "key-reused", "detail"?}
 *     428   refused     {"code": "pause", "reason"?}: a person has to look, so it parks
 *     else  unknown     also 410: a receiver that is gone says nothing about the message, and a proxy on the way may say it as well
 *
 * As for participants (`wire/answers.ts`), a 409, 422 or 428 counts only with exactly our body: whatever stands between speaks HTTP too.
 */
export function receiptOf(exchanged: Exchanged): Receipt {
  if (exchanged.kind === "unknown") return unknownReceipt(exchanged.code, exchanged.error);
  const { status } = exchanged.answer;
  if (status >= 200 && status < 300) return { kind: "done" };
  const answer = fromWire(exchanged.answer);
  switch (answer.kind) {
    case "done":
      return { kind: "done" };
    case "refused":
      return refusedReceipt(answer.code, explain(answer.details) ?? `the receiver refused: ${answer.code}`);
    case "key-reused":
      return refusedReceipt("key-reused", answer.detail);
    case "pause":
      return refusedReceipt("pause", answer.reason);
    case "pending":
      return unknownReceipt("pending", `the receiver asked to come back in ${answer.retryAfterMs} ms`);
    case "unknown":
      return unknownReceipt(answer.code, `${answer.error}${retryAfter(exchanged.answer)}`);
  }
}

export function unknownReceipt(code: string, error: string): Receipt {
  return { kind: "unknown", error: printable(`${code}: ${error}`, ERROR_LENGTH_MAX) };
}

export function refusedReceipt(code: string, error: string): Receipt {
  return { kind: "refused", code: printable(code, CODE_LENGTH_MAX), error: printable(error, ERROR_LENGTH_MAX) };
}

const CODE_LENGTH_MAX = 128;
const ERROR_LENGTH_MAX = 2_000;

/** A receiver's words end in a database's column, and in a terminal. */
function printable(text: string, lengthMax: number): string {
  const short = text.length > lengthMax ? `${text.slice(0, lengthMax - 1)}…` : text;
  return short.replace(/[\p{Cc}\p{Cs}]/gu, "\ufffd");
}

/** The details of a refusal for people: their `message`, if they have one. */
function explain(details: Json | undefined): string | undefined {
  if (details === undefined || typeof details === "string") return details;
  const message = isObject(details) ? details["message"] : undefined;
  return typeof message === "string" ? message : JSON.stringify(details);
}

function retryAfter({ headers }: WireAnswer): string {
  const value = headers["retry-after"];
  return typeof value === "string" ? `, retry-after ${value}` : "";
}
