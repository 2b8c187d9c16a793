import type { IncomingMessage, ServerResponse } from "node:http";
import { TripactError } from "../protocol/errors.ts";
import type { Answer } from "../protocol/outcome.ts";
import { toWire, unknown } from "./answers.ts";
import type { WireAnswer } from "./answers.ts";

/** The body, or `undefined` as soon as it is larger than allowed. Rejects when the connection breaks or the body was consumed before us. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | undefined> {
  if (request.readableDidRead) {
    throw new TripactError("invalid-option", "The body was read before this handler, so its signature cannot be checked.", {
      hint: "Mount the handler before any body parser.",
    });
  }
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) return undefined;
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
 * For a request that is answered before its body was read. An early answer is lost when the rest of the body meets a closed socket, so as
 * much again as a request may have is read and dropped; whoever sends more is cut off.
 */
export function dropBody(request: IncomingMessage, bytesMax: number): void {
  let dropped = 0;
  request.on("data", (chunk: Buffer) => {
    dropped += chunk.length;
    if (dropped > bytesMax) request.destroy();
  });
}

/** What is wrong with a request before its body: undefined for a signed POST of plain JSON of one of these media types. */
export function preliminary({ method, headers }: IncomingMessage, mediaType: RegExp): Answer | undefined {
  if (method !== "POST") return unknown("wrong-method", `${method ?? "?"} instead of POST`);
  const [type = "", ...parameters] = (headers["content-type"] ?? "").split(";");
  const plain = parameters.every((parameter) => /^\s*(charset="?utf-8"?)?\s*$/i.test(parameter)) && parameters.length <= 1;
  if (!mediaType.test(type.trim()) || !plain || headers["content-encoding"] !== undefined) {
    return unknown("wrong-content-type", "plain JSON is expected");
  }
  if (headers["tripact-signature"] === undefined) return unknown("signature-refused", "not signed");
  return undefined;
}

/**
 * Runs `work` to an answer. Rejects only as `work` does. Work that outlives its caller or its time goes on alone; its outcome is unknown,
 * and its signal has aborted.
 */
export async function answerWithin(
  response: ServerResponse,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<WireAnswer>,
): Promise<WireAnswer> {
  const controller = new AbortController();
  const { promise: given, resolve: giveUp } = Promise.withResolvers<WireAnswer>();
  const onClose = (): void => {
    controller.abort(new DOMException("the caller has gone", "AbortError"));
    giveUp(toWire(unknown("internal", "the caller has gone")));
  };
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`over ${timeoutMs} ms`, "TimeoutError"));
    giveUp(toWire(unknown("participant-timeout", `no result within ${timeoutMs} ms`)));
  }, timeoutMs);
  response.once("close", onClose);
  // The caller may have left while the body was being checked.
  if (response.destroyed) onClose();
  try {
    return await Promise.race([work(controller.signal), given]);
  } finally {
    clearTimeout(timer);
    response.off("close", onClose);
  }
}

export function respond(response: ServerResponse, { status, headers, body }: WireAnswer): void {
  if (response.headersSent || response.destroyed) return;
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
  if (status === 405) response.setHeader("allow", "POST");
  if (status !== 204) response.setHeader("content-length", body.length);
  response.statusCode = status;
  response.end(body);
}

/** A header that is there once; else nothing. */
export function single(value: string | string[] | undefined): string {
  return typeof value === "string" ? value : "";
}

/** Tells `hear` of an error. A logger that fails must not cost a request its answer. */
export function reporting<About>(hear: ((error: unknown, about: About) => void) | undefined): (error: unknown, about: About) => void {
  return (error, about) => {
    try {
      hear?.(error, about);
    } catch {
      // Nobody is left to tell.
    }
  };
}
