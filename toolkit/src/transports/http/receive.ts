import type { IncomingMessage } from "node:http";
import { textOf } from "../../protocol/errors.ts";
import type { Json } from "../../protocol/json.ts";
import type { Answer } from "../../protocol/outcome.ts";
import type { Call } from "../transport.ts";
import { isObject, parse, unknown } from "../../wire/answers.ts";
import { dropBody, preliminary, readBody, single } from "../../wire/incoming.ts";
import type { SigningKey } from "../../wire/signing.ts";
import { readCallHeaders } from "../call-headers.ts";
import type { CallHead, RemoteOp } from "../call-headers.ts";
import { verify } from "./signature.ts";

export interface Admission {
  readonly keys: readonly SigningKey[];
  readonly bodyBytesMax: number;
  readonly nowMs: () => number;
}

/** What came in: a call that may be executed, or the answer that says why not. Nothing of an unsigned call is believed or repeated. */
export type Received = { readonly kind: "call"; readonly call: Call } | { readonly kind: "turned-away"; readonly answer: Answer };

/** Reads and checks one request for `op`. Rejects only when the connection breaks or its body was consumed before us. */
export async function receive(request: IncomingMessage, op: RemoteOp, admission: Admission): Promise<Received> {
  const refusal = preliminary(request, /^application\/json$/i);
  if (refusal !== undefined) return turnAway(request, refusal, admission);
  const { headers } = request;
  const body = await readBody(request, admission.bodyBytesMax);
  if (body === undefined) return turnAway(request, unknown("too-large", `over ${admission.bodyBytesMax} bytes`), admission);
  const signed = verify(admission.keys, single(headers["tripact-signature"]), {
    op,
    gid: single(headers["tripact-gid"]),
    branch: single(headers["tripact-branch"]),
    notAfter: single(headers["tripact-not-after"]),
    body,
  });
  if (!signed) return { kind: "turned-away", answer: unknown("signature-refused", "no secret of ours made this signature") };
  return decode(request, op, body, admission.nowMs());
}

function decode(request: IncomingMessage, op: RemoteOp, body: Uint8Array, nowMs: number): Received {
  let head: CallHead;
  try {
    head = readCallHeaders(request.headers);
  } catch (error) {
    return { kind: "turned-away", answer: unknown("bad-call", textOf(error)) };
  }
  if (head.op !== op) return { kind: "turned-away", answer: unknown("bad-call", "path and tripact-op differ") };
  if (nowMs > head.notAfterMs) return { kind: "turned-away", answer: unknown("expired", `${nowMs - head.notAfterMs} ms late`) };
  const content = parse(body);
  const payload = isObject(content) ? content["payload"] : undefined;
  if (!isObject(content) || payload === undefined) {
    return { kind: "turned-away", answer: unknown("bad-call", 'the body is not {"payload", "forwardResult"?}') };
  }
  const forwardResult: Json | undefined = content["forwardResult"];
  return { kind: "call", call: forwardResult === undefined ? { ...head, payload } : { ...head, payload, forwardResult } };
}

function turnAway(request: IncomingMessage, answer: Answer, { bodyBytesMax }: Admission): Received {
  dropBody(request, bodyBytesMax);
  return { kind: "turned-away", answer };
}
