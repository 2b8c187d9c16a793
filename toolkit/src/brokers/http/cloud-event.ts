import type { IncomingHttpHeaders } from "node:http";
import { TripactError } from "../../protocol/errors.ts";
import { isObject, parse } from "../../wire/answers.ts";
import { single } from "../../wire/incoming.ts";
import { isTraceparent, isTracestate } from "../../wire/trace-context.ts";
import type { Json } from "../../protocol/json.ts";
import type { Envelope } from "../broker.ts";
import { decodeAttribute, encodeAttribute, extensionsOf, headersOf } from "./attributes.ts";

/**
 * `binary`: attributes are headers, the payload is the body, byte for byte. `structured`: all of it is one JSON text. A receiver knows
 * them apart by the content type.
 */
export type ContentMode = "binary" | "structured";

export interface EventRequest {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

export const STRUCTURED_TYPE = "application/cloudevents+json";

// Servers take 16 KiB of headers in all (Node) and 8 KiB a line (nginx).
const ATTRIBUTE_BYTES_MAX = 8_000;

type Attributes = Readonly<Record<string, string>>;

/**
 * A message as a request, unsigned. One whose attributes a header cannot say (lone surrogates) or that no server would take (over 8,000
 * bytes) is structured whatever the mode. Throws when there is no such request: a time that is none, a payload that is not JSON.
 */
export function encodeEvent(envelope: Envelope, mode: ContentMode): EventRequest {
  const attributes = attributesOf(envelope);
  const headers = requestHeaders(envelope);
  const binary = mode === "binary" ? attributeHeaders(attributes) : undefined;
  if (binary !== undefined) {
    const body = Buffer.from(escapeSurrogates(envelope.payload));
    return { headers: { ...headers, ...binary, "content-type": "application/json" }, body };
  }
  const head = JSON.stringify({ ...attributes, datacontenttype: "application/json" });
  // Joined as text: the payload arrives as it is, and its numbers are not read and written again.
  const body = Buffer.from(escapeSurrogates(`${head.slice(0, -1)},"data":${checkJson(envelope.payload)}}`));
  return { headers: { ...headers, "content-type": STRUCTURED_TYPE }, body };
}

function attributesOf({ id, source, topic, key, headers, recordedAtMs }: Envelope): Attributes {
  return {
    specversion: "1.0",
    id,
    source,
    type: topic,
    ...(key === "" ? {} : { subject: key }),
    time: new Date(recordedAtMs).toISOString(),
    ...extensionsOf(headers),
  };
}

/** What is not the event's: which attempt this is, and where its trace goes on. */
function requestHeaders({ id, source, attempt, headers }: Envelope): Record<string, string> {
  const { traceparent, tracestate } = headers;
  return {
    "idempotency-key": eventKey(source, id),
    ...attemptHeaders(attempt),
    ...(isTraceparent(traceparent) ? { traceparent, ...(isTracestate(tracestate) ? { tracestate } : {}) } : {}),
  };
}

export function attemptHeaders(attempt: number): Record<string, string> {
  return { "tripact-attempt": String(attempt) };
}

/** (source, id) names a message everywhere. */
export function eventKey(source: string, id: string): string {
  return `${encodeURIComponent(source.toWellFormed())}/${encodeURIComponent(id.toWellFormed())}`;
}

function attributeHeaders(attributes: Attributes): Record<string, string> | undefined {
  const headers: Record<string, string> = {};
  let bytes = 0;
  for (const [name, value] of Object.entries(attributes)) {
    if (!value.isWellFormed()) return undefined;
    const encoded = encodeAttribute(value);
    bytes += name.length + encoded.length;
    if (bytes > ATTRIBUTE_BYTES_MAX) return undefined;
    headers[`ce-${name}`] = encoded;
  }
  return headers;
}

/** In JSON text a surrogate can only be in a string, where its escape means the same and UTF-8 can say it. */
function escapeSurrogates(json: string): string {
  return json.isWellFormed() ? json : json.replace(/\p{Cs}/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);
}

function checkJson(payload: string): string {
  JSON.parse(payload);
  return payload;
}

/**
 * The message in a request whose signature was checked. Throws `invalid-input`, which names the attribute, for what is no CloudEvent 1.0
 * with JSON in it. An event of another sender may lack subject, time and attempt: its key is then empty, its time `nowMs`.
 */
export function decodeEvent(headers: IncomingHttpHeaders, body: Uint8Array, nowMs: number): Envelope {
  const structured = (headers["content-type"] ?? "").toLowerCase().startsWith(STRUCTURED_TYPE);
  const content = parse(body);
  if (typeof content === "symbol") throw noEvent("body", "is not JSON");
  if (!structured) return envelopeOf(binaryAttributes(headers), content === undefined ? "null" : textOfBody(body), headers, nowMs);
  return decodeStructured(content, headers, nowMs);
}

/** The event in structured mode, read as JSON. Throws as `decodeEvent` does. */
export function decodeStructured(content: Json | undefined, headers: IncomingHttpHeaders, nowMs: number): Envelope {
  if (!isObject(content)) throw noEvent("body", "is not a JSON object");
  const { data = null, datacontenttype, ...attributes } = content;
  if ("data_base64" in attributes) throw noEvent("data_base64", "is not supported: data is JSON here");
  if (typeof datacontenttype === "string" && !JSON_TYPE.test(datacontenttype)) throw noEvent("datacontenttype", "is not JSON");
  return envelopeOf(structuredAttributes(attributes), JSON.stringify(data), headers, nowMs);
}

const JSON_TYPE = /^[a-z]+\/([a-z0-9.-]+\+)?json\s*(;|$)/i;

function textOfBody(body: Uint8Array): string {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8");
}

function binaryAttributes(headers: IncomingHttpHeaders): Attributes {
  const attributes = Object.entries(headers).filter(([name]) => name.startsWith("ce-"));
  return Object.fromEntries(attributes.map(([name, value]) => [name.slice(3), decodeAttribute(name.slice(3), String(value))]));
}

function structuredAttributes(members: Readonly<Record<string, unknown>>): Attributes {
  const given = Object.entries(members).filter(([, value]) => value !== null);
  return Object.fromEntries(
    given.map(([name, value]) => {
      if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") throw noEvent(name, "is no text, number or boolean");
      return [name, String(value)];
    }),
  );
}

function envelopeOf(attributes: Attributes, payload: string, request: IncomingHttpHeaders, nowMs: number): Envelope {
  const { specversion, id, source, type, subject = "", time, ...extensions } = attributes;
  if (specversion !== "1.0") throw noEvent("specversion", "is not 1.0");
  const attempt = single(request["tripact-attempt"]);
  return {
    id: named(id, "id"),
    source: named(source, "source"),
    topic: named(type, "type"),
    key: subject,
    payload,
    headers: { ...(extensions["traceparent"] === undefined ? traceOf(request) : {}), ...headersOf(extensions) },
    recordedAtMs: time === undefined ? nowMs : timeOf(time),
    attempt: /^[1-9]\d{0,14}$/.test(attempt) ? Number(attempt) : 1,
  };
}

/** The trace of the request stands in for one that the event does not carry. */
function traceOf({ traceparent, tracestate }: IncomingHttpHeaders): Record<string, string> {
  if (!isTraceparent(traceparent)) return {};
  return { traceparent, ...(isTracestate(tracestate) ? { tracestate } : {}) };
}

function named(value: string | undefined, name: string): string {
  if (value === undefined || value === "") throw noEvent(name, "is missing");
  return value;
}

function timeOf(time: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(time) ? Date.parse(time.toUpperCase()) : Number.NaN;
  if (Number.isNaN(ms)) throw noEvent("time", "is not a time as in RFC 3339");
  return ms;
}

export function noEvent(where: string, what: string): TripactError {
  return new TripactError("invalid-input", `No CloudEvent 1.0: ${where} ${what}.`, { where });
}
