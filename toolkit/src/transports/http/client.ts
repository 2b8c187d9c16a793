import * as http from "node:http";
import * as https from "node:https";
import { TripactError, textOf } from "../../protocol/errors.ts";
import type { Op } from "../../protocol/outcome.ts";
import type { Call, Transport } from "../transport.ts";
import { allowedHosts, guardedLookup } from "./allowed-hosts.ts";
import type { AllowHosts, Destination } from "./allowed-hosts.ts";
import { unknown } from "./answers.ts";
import { callHeaders, echoOf } from "../call-headers.ts";
import { abortFailure, exchange } from "./exchange.ts";
import type { ExchangeLimits } from "./exchange.ts";
import { HTTP_DEFAULTS, limit } from "./limits.ts";
import { sign, signingKey } from "./signature.ts";
import type { SigningKey } from "./signature.ts";

export interface HttpTransportOptions {
  /** The participant: `http:` or `https:`, without credentials, query or fragment. An op is POSTed to `{url}/{op}`. */
  readonly url: string;
  /** Signs every call; at least 16 characters, one per participant. The participant has it among its `secrets`. */
  readonly secret: string;
  readonly allowHosts?: AllowHosts;
  /** Until the connection stands, TLS included. Default 1500. */
  readonly connectTimeoutMs?: number;
  /** From the call until the whole answer is here, waiting for a free socket included. Default 30000; usually the op's own limit comes first. */
  readonly responseTimeoutMs?: number;
  /** Default 1 MiB and a little. */
  readonly responseBytesMax?: number;
  /** Connections at a time; calls beyond wait for one. Default 64. */
  readonly keepAliveSockets?: number;
  /** An idle connection is closed after this time: keep it below the participant's own limit. Default 4000. */
  readonly idleSocketMs?: number;
  /** For `https:` with a private authority or client certificates. Certificates are always checked. */
  readonly tls?: Pick<https.AgentOptions, "ca" | "cert" | "key" | "servername">;
}

/**
 * Calls a participant over HTTP. Answers are read as in `answers.ts`; whatever is not surely an answer of the participant is `unknown`,
 * under one of the `Failure` codes of `exchange.ts`. Nothing is asked twice in here: retries are the coordinator's, which counts them.
 *
 * Throws `invalid-option` and `host-not-allowed` when it is made; a call never throws.
 */
export function httpTransport(options: HttpTransportOptions): Transport {
  const target = new URL(checkUrl(options.url));
  const destination = destinationOf(target);
  const allowed = allowedHosts(options.allowHosts);
  if (!allowed(destination)) throw notAllowed(destination);
  const key = signingKey(options.secret, "secret");
  const limits = limitsOf(options);
  const { agent, open } = connections(target, options);
  let inFlight = 0;
  let closed = false;

  return {
    features: { inProcess: false, forgets: true },
    async call(call, signal) {
      if (closed) return unknown("closed", "this transport was closed");
      if (signal.aborted) return unknown(abortFailure(signal), "given up before it was sent");
      inFlight += 1;
      try {
        if (!allowed(destination)) return unknown("host-not-allowed", textOf(notAllowed(destination)));
        const { headers, body } = encode(call, key);
        const echo = echoOf(call.op, headers["idempotency-key"] ?? "");
        return await exchange(open(call.op, headers), body, echo, limits, signal);
      } catch (error) {
        return unknown("bad-call", textOf(error));
      } finally {
        inFlight -= 1;
        if (closed && inFlight === 0) agent.destroy();
      }
    },
    async close() {
      closed = true;
      if (inFlight === 0) agent.destroy();
    },
  };
}

export function limitsOf(options: Omit<HttpTransportOptions, "url" | "secret">): ExchangeLimits {
  return {
    connectTimeoutMs: limit(options.connectTimeoutMs, HTTP_DEFAULTS.connectTimeoutMs, "connectTimeoutMs"),
    responseTimeoutMs: limit(options.responseTimeoutMs, HTTP_DEFAULTS.responseTimeoutMs, "responseTimeoutMs"),
    responseBytesMax: limit(options.responseBytesMax, HTTP_DEFAULTS.responseBytesMax, "responseBytesMax"),
  };
}

interface Encoded {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

function encode(call: Call, key: SigningKey): Encoded {
  const { payload, forwardResult } = call;
  const body = Buffer.from(JSON.stringify(forwardResult === undefined ? { payload } : { payload, forwardResult }));
  const headers = callHeaders(call);
  headers["content-type"] = "application/json";
  headers["content-length"] = String(body.length);
  headers["accept-encoding"] = "identity";
  headers["tripact-signature"] = sign(key, {
    op: call.op,
    gid: headers["tripact-gid"] ?? "",
    branch: headers["tripact-branch"] ?? "",
    notAfter: headers["tripact-not-after"] ?? "",
    body,
  });
  return { headers, body };
}

interface Connections {
  readonly agent: http.Agent;
  readonly open: (op: Op, headers: Record<string, string>) => http.ClientRequest;
}

/** One pool per participant, so that a slow one cannot take another's sockets. */
function connections(target: URL, options: HttpTransportOptions): Connections {
  const maxSockets = limit(options.keepAliveSockets, HTTP_DEFAULTS.keepAliveSockets, "keepAliveSockets");
  const pool = {
    keepAlive: true,
    maxSockets,
    maxFreeSockets: maxSockets,
    timeout: limit(options.idleSocketMs, HTTP_DEFAULTS.idleSocketMs, "idleSocketMs"),
  };
  const secure = target.protocol === "https:";
  const agent = secure ? new https.Agent({ ...pool, ...options.tls }) : new http.Agent(pool);
  const request = secure ? https.request : http.request;
  const fixed = {
    agent,
    method: "POST",
    host: target.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: destinationOf(target).port,
    lookup: guardedLookup,
  };
  const base = target.pathname.replace(/\/+$/, "");
  return { agent, open: (op, headers) => request({ ...fixed, path: `${base}/${op}`, headers }) };
}

function destinationOf({ protocol, hostname, port }: URL): Destination {
  const usual = protocol === "https:" ? 443 : 80;
  return { hostname, port: port === "" ? usual : Number(port) };
}

function checkUrl(text: string): string {
  const url = URL.parse(text);
  const wrong = url === null ? "cannot be read" : faultOf(url);
  if (wrong === undefined) return text;
  // The text itself may hold a password: it is not repeated.
  throw new TripactError("invalid-option", `A participant's URL ${wrong}.`, { where: "url" });
}

function faultOf(url: URL): string | undefined {
  if (url.protocol !== "http:" && url.protocol !== "https:") return `begins with http: or https:, not ${url.protocol}`;
  if (url.username !== "" || url.password !== "") return "has no user name and no password; calls are signed";
  if (url.search !== "" || url.hash !== "") return "has no query and no fragment; the op is put behind its path";
  return undefined;
}

function notAllowed({ hostname, port }: Destination): TripactError {
  return new TripactError("host-not-allowed", `Calls to ${hostname}:${port} are not allowed.`, {
    where: "allowHosts",
    hint: `Add "${hostname}:${port}" if it is a participant.`,
  });
}
