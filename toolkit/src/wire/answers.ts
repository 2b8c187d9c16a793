import { isUtf8 } from "node:buffer";
import type { Json } from "../protocol/json.ts";
import type { Answer } from "../protocol/outcome.ts";

/**
 * An answer on the wire:
 *
 *     2xx   done        the body is the result as JSON; no body, no result
 *     409   refused     {"code", "details"?}
 *     425   pending     header `retry-after-ms`, or {"retryAfterMs"}, or header `retry-after` in seconds; else 1 s
 *     422   key reused  {"code": "key-reused", "detail"?}
 *     428   pause       {"code": "pause", "reason"?}
 *     410   unknown     {"code": "expired"}: past its `notAfter`, not executed
 *     else  unknown
 *
 * Whatever stands between the two sides speaks HTTP as well, so a status alone proves little: a 409, 422 or 428 counts only with exactly our body.
 * What is not surely an answer of the participant is unknown, and unknown is always safe.
 */
export interface WireAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** Unknown answers that our own participants give by name, and the status that carries each. */
const NAMED_UNKNOWNS: ReadonlyMap<string, number> = new Map(Object.entries({
  "bad-call": 400,
  "bad-event": 400,
  "signature-refused": 401,
  "unknown-participant": 404,
  "wrong-method": 405,
  expired: 410,
  "too-large": 413,
  "wrong-content-type": 415,
  internal: 500,
  overloaded: 503,
  "participant-timeout": 504,
}));

const RETRY_AFTER_DEFAULT_MS = 1_000;
const RETRY_AFTER_MAX_MS = 86_400_000;
const NO_BODY = new Uint8Array();

export function unknown(code: string, error: string): Answer {
  return { kind: "unknown", code, error };
}

export function toWire(answer: Answer): WireAnswer {
  switch (answer.kind) {
    case "done":
      return doneWire(answer.result === undefined ? undefined : JSON.stringify(answer.result));
    case "refused":
      return json(409, answer.details === undefined ? { code: answer.code } : { code: answer.code, details: answer.details });
    case "pending":
      return { ...json(425, { code: "pending" }), headers: { ...JSON_HEADERS, "retry-after-ms": String(answer.retryAfterMs) } };
    case "key-reused":
      return json(422, { code: "key-reused", detail: answer.detail });
    case "pause":
      return json(428, { code: "pause", reason: answer.reason });
    case "unknown": {
      // The error's text stays here: it may quote data that is not the coordinator's.
      const status = NAMED_UNKNOWNS.get(answer.code);
      return status === undefined ? json(500, { code: "internal" }) : json(status, { code: answer.code });
    }
  }
}

/** Done, with a result that is JSON text already. */
export function doneWire(result: string | undefined): WireAnswer {
  if (result === undefined) return { status: 204, headers: {}, body: NO_BODY };
  return { status: 200, headers: JSON_HEADERS, body: Buffer.from(result) };
}

export function fromWire({ status, headers, body }: WireAnswer): Answer {
  if (status >= 300 && status < 400) return unknown("redirect", `HTTP ${status}: a redirect is not followed`);
  const content = parse(body);
  if (status >= 200 && status < 300) {
    if (content === UNPARSABLE) return unknown("bad-answer", `HTTP ${status} with a body that is not JSON`);
    return content === undefined ? { kind: "done" } : { kind: "done", result: content };
  }
  const members = isObject(content) ? content : {};
  switch (status) {
    case 409:
      return refusal(members);
    case 425:
      return { kind: "pending", retryAfterMs: retryAfterMs(headers, members) };
    case 422:
      if (members["code"] !== "key-reused") break;
      return { kind: "key-reused", detail: textOr(members["detail"], "the key was used with another payload") };
    case 428:
      if (members["code"] !== "pause") break;
      return { kind: "pause", reason: textOr(members["reason"], "the participant asked to wait for a person") };
    default:
  }
  const code = members["code"];
  const named = typeof code === "string" && NAMED_UNKNOWNS.get(code) === status;
  return unknown(named ? code : `http-${status}`, `HTTP ${status}`);
}

function refusal(members: JsonObject): Answer {
  const { code, details, ...others } = members;
  if (typeof code !== "string" || code === "" || Object.keys(others).length > 0) {
    return unknown("http-409", 'HTTP 409 without the body {"code", "details"?}: it may not be the participant that refused');
  }
  return details === undefined ? { kind: "refused", code } : { kind: "refused", code, details };
}

function retryAfterMs(headers: WireAnswer["headers"], members: JsonObject): number {
  const waitMs = amount(headers["retry-after-ms"]) ?? amount(members["retryAfterMs"]);
  const waitSeconds = amount(headers["retry-after"]);
  const wait = waitMs ?? (waitSeconds === undefined ? RETRY_AFTER_DEFAULT_MS : waitSeconds * 1_000);
  return Math.min(Math.ceil(wait), RETRY_AFTER_MAX_MS);
}

function amount(value: unknown): number | undefined {
  if (typeof value === "string") return /^\d+(\.\d+)?$/.test(value) ? Number(value) : undefined;
  return typeof value === "number" && value >= 0 ? value : undefined;
}

type JsonObject = { readonly [key: string]: Json };

const JSON_HEADERS = { "content-type": "application/json" };
const UNPARSABLE = Symbol("not JSON");

function json(status: number, content: Json): WireAnswer {
  return { status, headers: JSON_HEADERS, body: Buffer.from(JSON.stringify(content)) };
}

/** The body as JSON, `undefined` for none. Bytes that are not UTF-8 are not JSON: replacement characters would change the result. */
export function parse(body: Uint8Array): Json | undefined | typeof UNPARSABLE {
  if (body.length === 0) return undefined;
  if (!isUtf8(body)) return UNPARSABLE;
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")) as Json;
  } catch {
    return UNPARSABLE;
  }
}

export function isObject(content: unknown): content is JsonObject {
  return typeof content === "object" && content !== null && !Array.isArray(content);
}

function textOr(value: Json | undefined, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}
