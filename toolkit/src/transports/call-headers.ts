import { TripactError } from "../protocol/errors.ts";
import { branchKey, checkBranch, checkGid, traceparentIn } from "../protocol/ids.ts";
import type { Op } from "../protocol/outcome.ts";
import type { Call } from "./transport.ts";

/**
 * What a call says in its headers. Names are percent-encoded (`encodeURIComponent`), because a gid may be in any script and a header
 * may not; plain ids look like themselves.
 */
export type CallHeaders = Record<string, string>;

/** What the headers of a call hold, decoded and checked. */
export type CallHead = Omit<Call, "payload" | "forwardResult">;

/** A timer's `wake` never leaves the coordinator. */
export type RemoteOp = Exclude<Op, "wake">;

const OPS: readonly string[] = ["action", "compensate", "try", "confirm", "cancel", "forget"] satisfies RemoteOp[];

export function isRemoteOp(name: string): name is RemoteOp {
  return OPS.includes(name);
}

/** The headers of one call, without its signature. Throws a `URIError` for a lone surrogate, which no checked id has. */
export function callHeaders(call: CallHead): CallHeaders {
  const headers: CallHeaders = {
    "tripact-gid": encodeURIComponent(call.gid),
    "tripact-branch": encodeURIComponent(call.branch),
    "tripact-op": call.op,
    "tripact-epoch": String(call.epoch),
    "tripact-attempt": String(call.attempt),
    "tripact-not-after": String(call.notAfterMs),
    "idempotency-key": encodeURIComponent(call.key),
  };
  if (call.traceparent !== undefined) headers["traceparent"] = call.traceparent;
  return headers;
}

/** The value of an answer's `tripact-answers`: which call it answers. `key` percent-encoded, as in the call. */
export function echoOf(op: Op, key: string): string {
  return `${key};${op}`;
}

/** Reads a call's headers (lower-case names). Throws `invalid-gid` or `invalid-input`, naming the header. */
export function readCallHeaders(headers: Readonly<Record<string, string | readonly string[] | undefined>>): CallHead {
  const gid = checkGid(decoded(headers, "tripact-gid"));
  const branch = checkBranch(decoded(headers, "tripact-branch"));
  const op = text(headers, "tripact-op");
  if (!isRemoteOp(op)) throw unreadable("tripact-op");
  return {
    gid,
    branch,
    op,
    key: branchKey(gid, branch),
    epoch: count(headers, "tripact-epoch"),
    attempt: count(headers, "tripact-attempt"),
    notAfterMs: count(headers, "tripact-not-after"),
    ...traceparentIn(headers["traceparent"]),
  };
}

type Headers = Parameters<typeof readCallHeaders>[0];

function text(headers: Headers, header: string): string {
  const value = headers[header];
  if (typeof value !== "string") throw unreadable(header);
  return value;
}

function decoded(headers: Headers, header: string): string {
  try {
    return decodeURIComponent(text(headers, header));
  } catch {
    throw unreadable(header);
  }
}

function count(headers: Headers, header: string): number {
  const value = text(headers, header);
  const number = Number(value);
  if (!/^\d{1,16}$/.test(value) || !Number.isSafeInteger(number)) throw unreadable(header);
  return number;
}

function unreadable(header: string): TripactError {
  return new TripactError("invalid-input", "This header of a call is missing or unreadable.", { where: header });
}
