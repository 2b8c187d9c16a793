import type { TripactError } from "../../protocol/errors.ts";
import { checkBranch, checkGid } from "../../protocol/ids.ts";
import { fingerprint } from "../../protocol/json.ts";
import type { Json } from "../../protocol/json.ts";
import type { Op } from "../../protocol/outcome.ts";
import { readCallHeaders } from "../../transports/call-headers.ts";
import { misuse } from "../guard.ts";

/** What the barrier needs of a call: a transport's `Call` and a flow's branch both fit; `callOf(headers)` makes one of HTTP headers. */
export interface BarrierCall {
  readonly gid: string;
  readonly branch: string;
  readonly op: Op;
  /** What was asked. The same key with another payload is `key-reused`. */
  readonly payload?: Json;
  /** Instead of `payload`, for who has only its fingerprint. With neither, payloads are not compared. */
  readonly payloadHash?: string;
  readonly epoch?: number;
  /** Unix milliseconds, compared with this process's clock. A later call is not executed: `expired`. */
  readonly notAfterMs?: number;
}

/** The headers of a coordinator's HTTP call, as Node gives them; of the Fetch API: `Object.fromEntries(request.headers)`. */
export type CallHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export type ForwardOp = "action" | "try";
export type SecondOp = "compensate" | "confirm" | "cancel";

/** A call that was checked. */
export interface CheckedCall {
  readonly gid: string;
  readonly branch: string;
  readonly step: Step;
  readonly fingerprint: string | null;
  readonly epoch: number | null;
  readonly notAfterMs: number;
  /** gid, branch and op, for messages. */
  readonly where: string;
}

/** Which of the barrier's three rules the op follows, and the op that must have come before it. */
export type Step =
  | { readonly kind: "forward"; readonly op: ForwardOp }
  | { readonly kind: "confirm"; readonly op: "confirm"; readonly forward: "try" }
  | { readonly kind: "undo"; readonly op: "compensate" | "cancel"; readonly forward: ForwardOp };

/** Throws `invalid-gid`, `invalid-input` or `barrier-misuse` for what is not a call of a participant. */
export function checkCall(asked: BarrierCall | CallHeaders): CheckedCall {
  const call = isCall(asked) ? asked : callOf(asked);
  const { payload, payloadHash } = call;
  return {
    gid: checkGid(call.gid),
    branch: checkBranch(call.branch),
    step: stepOf(call.op),
    fingerprint: payloadHash ?? (payload === undefined ? null : fingerprint(payload)),
    epoch: call.epoch ?? null,
    notAfterMs: call.notAfterMs ?? Number.POSITIVE_INFINITY,
    where: `${call.gid}/${call.branch} ${call.op}`,
  };
}

/**
 * Reads a call from the headers that a coordinator sends over HTTP. It does not verify the signature: whoever received the request
 * has done that. `payload` is the body's; without it payloads are not compared. Throws `invalid-gid` or `invalid-input`.
 */
export function callOf(headers: CallHeaders, payload?: Json): BarrierCall {
  const { gid, branch, op, epoch, notAfterMs } = readCallHeaders(headers);
  return { gid, branch, op, epoch, notAfterMs, ...(payload === undefined ? {} : { payload }) };
}

function isCall(asked: BarrierCall | CallHeaders): asked is BarrierCall {
  return "gid" in asked && "branch" in asked && "op" in asked;
}

function stepOf(op: Op): Step {
  switch (op) {
    case "action":
    case "try":
      return { kind: "forward", op };
    case "confirm":
      return { kind: "confirm", op, forward: "try" };
    case "cancel":
      return { kind: "undo", op, forward: "try" };
    case "compensate":
      return { kind: "undo", op, forward: "action" };
    case "wake":
    case "forget":
      throw notAnOp(op);
    default:
      throw notAnOp(op satisfies never);
  }
}

function notAnOp(op: string): TripactError {
  return misuse(`"${op}" is not an op of a participant`, "One of action, compensate, try, confirm, cancel.");
}
