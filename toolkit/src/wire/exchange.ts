import type { ClientRequest, IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { TripactError, textOf } from "../protocol/errors.ts";
import type { WireAnswer } from "./answers.ts";

/**
 * Why a request over HTTP has no answer. Every one of these is an unknown outcome; the code is for people, metrics and breakers.
 * `refused-connection`, `host-not-found`, `unreachable`, `connect-timeout`, `tls`, `host-not-allowed`, `closed` and `bad-call` say that
 * this attempt did not reach the other side.
 */
export type Failure =
  | "aborted"
  | "bad-answer"
  | "bad-call"
  | "closed"
  | "connect-timeout"
  | "host-not-allowed"
  | "host-not-found"
  | "redirect"
  | "refused-connection"
  | "reset"
  | "timeout"
  | "tls"
  | "too-large"
  | "transport"
  | "unreachable";

export interface ExchangeLimits {
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly responseBytesMax: number;
}

export interface Exchange {
  readonly body: Uint8Array;
  /** What our handlers put on the answer to this very request, as `tripact-answers`. */
  readonly echo: string;
  /**
   * An answer without `tripact-answers` is the last on its connection. For answers whose body proves nothing: a second answer that was
   * left on a connection would be taken for the next request's.
   */
  readonly reuseOnlyNamed?: boolean;
  readonly limits: ExchangeLimits;
  readonly signal: AbortSignal;
}

/** A whole answer, whatever it says; or why there is none. */
export type Exchanged =
  | { readonly kind: "answered"; readonly answer: WireAnswer }
  | { readonly kind: "unknown"; readonly code: Failure; readonly error: string };

/**
 * Sends one prepared request and reads one answer. Never rejects: whatever goes wrong is an unknown outcome. Both limits are deadlines,
 * not idle times, so an answer that drips in does not hold the request.
 */
export function exchange(request: ClientRequest, { body, echo, reuseOnlyNamed = false, limits, signal }: Exchange): Promise<Exchanged> {
  const { promise, resolve } = Promise.withResolvers<Exchanged>();
  let connecting: NodeJS.Timeout | undefined;
  const settle = (exchanged: Exchanged): void => {
    clearTimeout(deadline);
    clearTimeout(connecting);
    signal.removeEventListener("abort", onAbort);
    resolve(exchanged);
  };
  const giveUp = (code: Failure, error: string): void => {
    settle({ kind: "unknown", code, error });
    // The other side sees its caller leave, and the socket with half an answer on it is never used again.
    request.destroy();
  };
  const onAbort = (): void => giveUp(abortFailure(signal), "the caller gave this attempt up");
  const deadline = setTimeout(
    () => giveUp("timeout", `no whole answer within ${limits.responseTimeoutMs} ms`),
    limits.responseTimeoutMs,
  );
  signal.addEventListener("abort", onAbort, { once: true });

  request.on("socket", (socket) => {
    if (!socket.connecting) return;
    connecting = setTimeout(
      () => giveUp("connect-timeout", `no connection within ${limits.connectTimeoutMs} ms`),
      limits.connectTimeoutMs,
    );
    socket.once(socket instanceof TLSSocket ? "secureConnect" : "connect", () => clearTimeout(connecting));
  });
  // Stays for the request's whole life: a request that was destroyed speaks once more.
  request.on("error", (error) => settle(failed(error)));
  request.on("response", (response) => {
    if (reuseOnlyNamed && response.headers["tripact-answers"] === undefined) request.shouldKeepAlive = false;
    receive(response, { echo, bytesMax: limits.responseBytesMax, settle, giveUp });
  });
  // Without a listener Node neither answers nor fails such a request.
  request.on("upgrade", (_response, socket) => {
    giveUp("bad-answer", "the other side wants to speak another protocol");
    socket.destroy();
  });
  request.end(body);
  return promise;
}

interface Receiving {
  readonly echo: string;
  readonly bytesMax: number;
  readonly settle: (exchanged: Exchanged) => void;
  readonly giveUp: (code: Failure, error: string) => void;
}

function receive(response: IncomingMessage, { echo, bytesMax, settle, giveUp }: Receiving): void {
  const answersTo = response.headers["tripact-answers"];
  if (answersTo !== undefined && answersTo !== echo) {
    // Somebody answered the request before us twice: the second answer lies on the connection that we took over.
    return giveUp("bad-answer", "this is the answer to another request");
  }
  if (!isFramed(response)) return giveUp("bad-answer", "an answer that ends with its connection may have been cut short");
  if (Number(response.headers["content-length"] ?? 0) > bytesMax) return giveUp("too-large", `an answer of over ${bytesMax} bytes`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > bytesMax) giveUp("too-large", `an answer of over ${bytesMax} bytes`);
    else chunks.push(chunk);
  });
  response.on("error", (error) => settle(failed(error)));
  response.on("end", () => {
    const [first] = chunks;
    const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks);
    settle({ kind: "answered", answer: { status: response.statusCode ?? 0, headers: response.headers, body } });
  });
}

/** Only a length or chunks tell a whole body from half of one: half of `123` is a number too, and half of anything may be nothing. */
function isFramed({ statusCode, headers }: IncomingMessage): boolean {
  return statusCode === 204 || headers["content-length"] !== undefined || /\bchunked\b/i.test(headers["transfer-encoding"] ?? "");
}

const BY_SYSTEM_CODE: Readonly<Record<string, Failure>> = {
  ECONNREFUSED: "refused-connection",
  ENOTFOUND: "host-not-found",
  EAI_AGAIN: "host-not-found",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  ETIMEDOUT: "connect-timeout",
  ECONNRESET: "reset",
  ECONNABORTED: "reset",
  EPIPE: "reset",
};

const TLS = /^(EPROTO|ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/;

function failed(error: unknown): Exchanged {
  return { kind: "unknown", code: failureOf(error), error: describeFailure(error) };
}

/** Names an error of Node's HTTP client. */
function failureOf(error: unknown): Failure {
  if (error instanceof TripactError) return error.code === "host-not-allowed" ? "host-not-allowed" : "bad-call";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code.startsWith("HPE_")) return "bad-answer";
  if (TLS.test(code)) return "tls";
  return BY_SYSTEM_CODE[code] ?? "transport";
}

/** An error's text for the journal: with its system code, and never without a word. */
function describeFailure(error: unknown): string {
  const text = textOf(error);
  // Happy Eyeballs fails with one error per address and an empty message.
  if (text === "" && error instanceof AggregateError) return error.errors.map(textOf).join("; ");
  return text === "" ? "no further detail" : text;
}

/** A timeout of the caller's and an abort for another reason end the same way, but are worth telling apart. */
export function abortFailure(signal: AbortSignal): Failure {
  const reason: unknown = signal.reason;
  return reason instanceof Error && reason.name === "TimeoutError" ? "timeout" : "aborted";
}
