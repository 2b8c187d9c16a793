/**
 * Several events in one request, in CloudEvents' batched content mode (HTTP binding 1.0.2, 3.3): a JSON array of events as in structured mode. Its
 * answer is one of ours and no other: status 200, `tripact-answers` with the request's key, and for each event, in their order, what a request
 * of its own would have been answered:
 *
 *     [{"status": 204}, {"status": 409, "body": {"code": "sold-out"}}]
 */
import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { Answer } from "../../protocol/outcome.ts";
import type { Json } from "../../protocol/json.ts";
import { isObject, parse, toWire } from "../../wire/answers.ts";
import type { WireAnswer } from "../../wire/answers.ts";
import type { Exchanged } from "../../wire/exchange.ts";
import type { Envelope, Receipt } from "../broker.ts";
import { attemptHeaders, decodeStructured, encodeEvent, eventKey, noEvent } from "./cloud-event.ts";
import type { EventRequest } from "./cloud-event.ts";
import { receiptOf, unknownReceipt } from "./receipts.ts";

export const BATCH_TYPE = "application/cloudevents-batch+json";

/** One event as a batch has it. Throws as `encodeEvent` does. */
export function encodeMember(message: Envelope): Buffer {
  return encodeEvent(message, "structured").body;
}

/** The members' request, unsigned. `tripact-attempt` decides nothing: it is the highest. */
export function encodeBatch(messages: readonly Envelope[], members: readonly Buffer[]): EventRequest {
  const comma = Buffer.from(",");
  const parts = members.flatMap((member, index) => (index === 0 ? [member] : [comma, member]));
  const headers = { "idempotency-key": batchKey(messages), ...attemptHeaders(Math.max(...messages.map(({ attempt }) => attempt))), "content-type": BATCH_TYPE };
  return { headers, body: Buffer.concat([Buffer.from("["), ...parts, Buffer.from("]")]) };
}

/** Names the events of a batch and their order, so that the answer to other ones is never taken for theirs. */
export function batchKey(messages: readonly Pick<Envelope, "source" | "id">[]): string {
  return `batch/${hash("sha256", messages.map(({ source, id }) => eventKey(source, id)).join("\n"), "hex")}`;
}

/** Throws `invalid-input` for what is no batch; of events that are none, it names the first. */
export function decodeBatch(headers: IncomingHttpHeaders, body: Uint8Array, nowMs: number): readonly Envelope[] {
  const content = parse(body);
  if (!Array.isArray(content) || content.length === 0) throw noEvent("body", "is not a JSON array of events");
  return content.map((member: Json) => decodeStructured(member, headers, nowMs));
}

export function batchAnswer(answers: readonly Answer[]): WireAnswer {
  const members = answers.map((answer) => {
    const { status, body } = toWire(answer);
    return body.length === 0 ? `{"status":${status}}` : `{"status":${status},"body":${Buffer.from(body).toString("utf8")}}`;
  });
  return { status: 200, headers: { "content-type": "application/json" }, body: Buffer.from(`[${members.join(",")}]`) };
}

/** What an answer says of each message. One that is not surely the answer to this batch says nothing of any of them. */
export function batchReceipts(exchanged: Exchanged, count: number): readonly Receipt[] {
  const all = (receipt: Receipt): readonly Receipt[] => Array.from({ length: count }, () => receipt);
  if (exchanged.kind === "unknown") return all(receiptOf(exchanged));
  const { status, headers, body } = exchanged.answer;
  const members = status === 200 && headers["tripact-answers"] !== undefined ? parse(body) : undefined;
  if (Array.isArray(members) && members.length === count) return members.map(receiptOfMember);
  if (status >= 200 && status < 300) return all(unknownReceipt("bad-answer", `HTTP ${status} without an answer for each event: does this receiver take batches?`));
  const receipt = receiptOf(exchanged);
  // Somebody refused the request as a whole; that is no word about an event.
  return all(receipt.kind === "unknown" ? receipt : unknownReceipt("bad-answer", `HTTP ${status} to a batch`));
}

function receiptOfMember(member: Json): Receipt {
  const { status, body } = isObject(member) ? member : {};
  if (typeof status !== "number") return unknownReceipt("bad-answer", "an answer without a status");
  return receiptOf({ kind: "answered", answer: { status, headers: {}, body: Buffer.from(body === undefined ? "" : JSON.stringify(body)) } });
}
