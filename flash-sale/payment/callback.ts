/** `POST /callbacks/provider`: the provider's own words, signed. Whatever comes twice or late is harmless; whatever is not his writes nothing. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { PaymentSettled } from "../contracts.ts";
import { isSigned } from "../provider/signature.ts";
import type { Hearing } from "./hearing.ts";

export const CALLBACK_PATH = "/callbacks/provider";

export interface CallbackOptions {
  readonly secret: string;
  readonly hearing: Pick<Hearing, "heard">;
  readonly onError: (error: unknown) => void;
  /** Unix time. */
  readonly now?: () => number;
}

interface Reply {
  readonly status: number;
  readonly code: "taken" | "invalid" | "not-signed" | "not-found" | "failed";
  readonly message: string;
}

const BODY_BYTES_MAX = 16_384;
const KEY_LENGTH_MAX = 200;
const TAKEN: Reply = { status: 200, code: "taken", message: "thank you" };

export function callbackListener(options: CallbackOptions): RequestListener {
  return (request, response) => {
    answer(request, options)
      .catch((error: unknown): Reply => {
        options.onError(error);
        return { status: 500, code: "failed", message: "this service failed; say it again" };
      })
      .then((reply) => send(response, reply))
      .catch(options.onError);
  };
}

async function answer(request: IncomingMessage, { secret, hearing, now = Date.now }: CallbackOptions): Promise<Reply> {
  if (request.url !== CALLBACK_PATH || request.method !== "POST") return { status: 404, code: "not-found", message: `only POST ${CALLBACK_PATH} is here` };
  const body = await read(request);
  if (body === undefined) return { status: 413, code: "invalid", message: `a body has ${BODY_BYTES_MAX} bytes at most` };
  // First who says it, then what.
  if (!isSigned(secret, body, request.headers, now())) return { status: 401, code: "not-signed", message: "the signature does not fit, or is too old" };
  const said = saidIn(body);
  if (said === undefined) return { status: 400, code: "invalid", message: "a key and a state (authorised, captured or declined) are needed" };
  await hearing.heard(said.key, said.state);
  return TAKEN;
}

/** Undefined when it is too long. */
async function read(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function saidIn(body: string): { readonly key: string; readonly state: PaymentSettled["outcome"] } | undefined {
  const { key, state } = parsed(body);
  if (typeof key !== "string" || key === "" || key.length > KEY_LENGTH_MAX || key.includes("\0")) return undefined;
  if (state !== "authorised" && state !== "captured" && state !== "declined") return undefined;
  return { key, state };
}

function parsed(body: string): { readonly key?: unknown; readonly state?: unknown } {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function send(response: ServerResponse, { status, code, message }: Reply): void {
  response.writeHead(status, { "content-type": "application/json", ...(status === 413 ? { connection: "close" } : {}) });
  response.end(JSON.stringify(status === 200 ? { kind: code } : { code, message }));
}
