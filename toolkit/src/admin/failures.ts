import { TripactError, type TripactErrorCode } from "../protocol/errors.ts";

/** What the server says when it does not do what it was asked. `code` is for programs and stable. */
export interface FailureBody {
  readonly code: TripactErrorCode | HttpCode;
  readonly message: string;
  readonly hint?: string;
}

export type HttpCode = "unauthorized" | "not-found" | "method-not-allowed" | "unsupported-media-type" | "malformed" | "nothing-to-decide" | "internal";

/** A request that HTTP itself, or this server, does not take. */
export class HttpFailure extends Error {
  readonly status: number;
  readonly body: FailureBody;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: FailureBody, headers: Readonly<Record<string, string>> = {}) {
    super(body.message);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** Which status each code of the toolkit gets. 503: not now, come back. 500: the server's own trouble, told to its log only. */
const STATUS: Readonly<Record<TripactErrorCode, number>> = {
  abandoned: 503,
  "barrier-misuse": 500,
  "conflicting-gid": 409,
  "cursor-lost": 503,
  "durability-refused": 503,
  expired: 410,
  "host-not-allowed": 422,
  "illegal-transition": 409,
  "invalid-gid": 422,
  "invalid-input": 422,
  "invalid-option": 422,
  "invalid-plan": 422,
  "key-reused": 409,
  "message-aborted": 409,
  "message-submitted": 409,
  "never-started": 410,
  "not-connected": 503,
  "not-supported": 501,
  "outbox-misuse": 500,
  overloaded: 429,
  parked: 409,
  "pooler-refused": 503,
  "schema-mismatch": 503,
  "signature-refused": 500,
  stopped: 503,
  "store-bad-row": 422,
  "store-unknown": 503,
  "store-unreachable": 503,
  "too-large": 413,
  "unknown-branch": 404,
  "unknown-definition": 422,
  "unknown-message": 404,
  "unknown-participant": 422,
  "unknown-subscription": 404,
  "unknown-transaction": 404,
};

const RETRY_AFTER_MS = 1_000;

/** `ready`: whether this node takes work at all. An overloaded node that does is busy (429); one that does not is away (503). */
export function failureOf(error: unknown, ready: boolean): HttpFailure {
  if (error instanceof HttpFailure) return error;
  if (!(error instanceof TripactError)) return new HttpFailure(500, { code: "internal", message: "The server failed; its log says how." });
  const status = error.code === "overloaded" && !ready ? 503 : STATUS[error.code];
  const { hint } = error;
  // The message of a TripactError ends with its hint; here the two have places of their own.
  const message = hint !== undefined && error.message.endsWith(` ${hint}`) ? error.message.slice(0, -hint.length - 1) : error.message;
  const away = status === 429 || status === 503;
  const retryAfterS = Math.max(1, Math.ceil((error.retryAfterMs ?? RETRY_AFTER_MS) / 1_000));
  return new HttpFailure(status, { code: error.code, message, ...(hint === undefined ? {} : { hint }) }, away ? { "retry-after": String(retryAfterS) } : {});
}
