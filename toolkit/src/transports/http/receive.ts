import type { IncomingMessage } from "node:http";
import { TripactError, textOf } from "../../protocol/errors.ts";
import type { Json } from "../../protocol/json.ts";
import type { Answer } from "../../protocol/outcome.ts";
import type { Call } from "../transport.ts";
import { isObject, parse, unknown } from "./answers.ts";
import { readCallHeaders } from "../call-headers.ts";
import type { CallHead, RemoteOp } from "../call-headers.ts";
import { verify } from "./signature.ts";
import type { SigningKey } from "./signature.ts";

export interface Admission {
  readonly keys: readonly SigningKey[];
  readonly bodyBytesMax: number;
  readonly nowMs: () => number;
}

/** What came in: a call that may be executed, or the answer that says why not. Nothing of an unsigned call is believed or repeated. */
export type Received = { readonly kind: "call"; readonly call: Call } | { readonly kind: "turned-away"; readonly answer: Answer };

/** Reads and checks one request for `op`. Rejects only when the connection breaks or its body was consumed before us. */
export async function receive(request: IncomingMessage, op: RemoteOp, admission: Admission): Promise<Received> {
  const refusal = preliminary(request);
  if (refusal !== undefined) return turnAway(request, refusal, admission);
  if (request.readableDidRead) {
    throw new TripactError("invalid-option", "The body was read before the participants' handler, so its signature cannot be checked.", {
      hint: "Mount the handler before any body parser.",
    });
  }
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

function preliminary({ method, headers }: IncomingMessage): Answer | undefined {
  if (method !== "POST") return unknown("wrong-method", `${method ?? "?"} instead of POST`);
  const type = headers["content-type"] ?? "";
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type) || headers["content-encoding"] !== undefined) {
    return unknown("wrong-content-type", "a call is plain application/json");
  }
  if (headers["tripact-signature"] === undefined) return unknown("signature-refused", "not signed");
  return undefined;
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

/** The body, or `undefined` as soon as it is larger than allowed. */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return Promise.resolve(undefined);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes <= bytesMax) return;
    request.off("data", onData);
    resolve(undefined);
  };
  request.on("data", onData);
  request.once("end", () => resolve(Buffer.concat(chunks)));
  request.once("error", reject);
  return promise;
}

/**
 * An early answer is lost when the rest of the body meets a closed socket, so as much again as a call may have is read and
 * dropped; whoever sends more is cut off.
 */
function turnAway(request: IncomingMessage, answer: Answer, { bodyBytesMax }: Admission): Received {
  let dropped = 0;
  request.on("data", (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > bodyBytesMax) request.destroy();
  });
  return { kind: "turned-away", answer };
}

function single(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : "";
}
