import type { IncomingMessage } from "node:http";
import { TripactError } from "../protocol/errors.ts";
import { encodeInput, type Json } from "../protocol/json.ts";
import type { Verdict } from "../protocol/transaction.ts";
import type { Completion } from "../runtime/letters.ts";
import { HttpFailure } from "./failures.ts";

export type Members = Readonly<Record<string, Json>>;

/** The body as a JSON object. An empty body is an empty object: every member may be optional. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Members> {
  const bytes = await readBytes(request, bytesMax);
  if (bytes.length === 0) return {};
  const { headers } = request;
  const type = headers["content-type"] ?? "";
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type) || (headers["content-encoding"] ?? "identity") !== "identity") {
    throw new HttpFailure(415, { code: "unsupported-media-type", message: "A body is plain application/json in UTF-8.", hint: "Send content-type: application/json, without a content-encoding." });
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new HttpFailure(400, { code: "malformed", message: `This body is not JSON: ${error instanceof Error ? error.message : "unreadable"}.` });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new HttpFailure(400, { code: "malformed", message: "A body is a JSON object." });
  // What is nested too deep would overflow the stack of whoever walks it next.
  encodeInput(value, "body", Number.POSITIVE_INFINITY);
  return value as Members;
}

/** Refuses members that nobody reads: a misspelt `deadlineMs` must not become a transaction without a deadline. */
export function allowOnly(body: Members, names: readonly string[]): void {
  const stranger = Object.keys(body).find((name) => !names.includes(name));
  if (stranger !== undefined) throw wrong(`there is no member ${JSON.stringify(stranger)}; there are ${names.join(", ")}`);
}

/** The same for the query: `?stat=parked` must not become a list of everything, nor `?peak=1` a tombstone. */
export function allowOnlyQuery(query: URLSearchParams, names: readonly string[]): void {
  const stranger = [...query.keys()].find((name) => !names.includes(name));
  if (stranger !== undefined) throw wrong(`the query has no ${JSON.stringify(stranger)} here; ${names.length === 0 ? "it is empty" : `there are ${names.join(", ")}`}`);
}

export function textIn(body: Members, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || typeof value === "string") return value;
  throw wrong(`${name} is a text`);
}

export function demandText(body: Members, name: string): string {
  const value = textIn(body, name);
  if (value === undefined || value.trim() === "") throw wrong(`${name} is missing`);
  return value;
}

/** A person's or a program's name. What is written into a journal is never blank. */
export function nameIn(body: Members, name: string, otherwise: string): string {
  return body[name] === undefined ? otherwise : demandText(body, name);
}

export function numberIn(body: Members, name: string): number | undefined {
  const value = body[name];
  if (value === undefined || typeof value === "number") return value;
  throw wrong(`${name} is a number`);
}

export function flagIn(body: Members, name: string): boolean {
  const value = body[name];
  if (value === undefined || typeof value === "boolean") return value ?? false;
  throw wrong(`${name} is true or false`);
}

export function verdictIn(body: Members): Verdict {
  const value = body["verdict"];
  if (value === "done" || value === "refused" || value === "retry" || value === "skip") return value;
  throw wrong("verdict is done, refused, retry or skip");
}

export function completionIn(body: Members): Completion {
  const { kind, result, details } = body;
  if (kind === "done") {
    allowOnly(body, ["kind", "result"]);
    return { kind, ...(result === undefined ? {} : { result }) };
  }
  if (kind === "refused") {
    allowOnly(body, ["kind", "code", "details"]);
    return { kind, code: demandText(body, "code"), ...(details === undefined ? {} : { details }) };
  }
  throw wrong("kind is done or refused");
}

export function wrong(what: string): TripactError {
  return new TripactError("invalid-input", `This request cannot be followed: ${what}.`);
}

/** What is over the limit is not kept; as much again is read and dropped, so that the answer is not lost in a reset. */
function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let bytes = 0;
  const tooLarge = (): void => {
    const hint = "Store it elsewhere and send a reference.";
    reject(new HttpFailure(413, { code: "too-large", message: `A body has at most ${bytesMax} bytes.`, hint }, { connection: "close" }));
  };
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) tooLarge();
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else tooLarge();
    if (bytes > 2 * bytesMax) request.destroy();
  });
  request.once("end", () => resolve(Buffer.concat(chunks)));
  request.once("error", reject);
  request.once("close", () => reject(new HttpFailure(400, { code: "malformed", message: "The connection broke before the body was through." })));
  return promise;
}
