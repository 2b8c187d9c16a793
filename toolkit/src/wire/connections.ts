import * as http from "node:http";
import * as https from "node:https";
import { TripactError } from "../protocol/errors.ts";
import { allowedHosts, guardedLookup } from "./allowed-hosts.ts";
import type { AllowHosts, Destination } from "./allowed-hosts.ts";
import type { ExchangeLimits } from "./exchange.ts";
import { HTTP_DEFAULTS, limit } from "./limits.ts";

export interface ConnectionOptions {
  readonly allowHosts?: AllowHosts;
  /** Until the connection stands, TLS included. Default 1500. */
  readonly connectTimeoutMs?: number;
  /** From the request until the whole answer is here, waiting for a free socket included. Default 30000. */
  readonly responseTimeoutMs?: number;
  /** Default 1 MiB and a little. */
  readonly responseBytesMax?: number;
  /** Connections at a time; requests beyond wait for one. Default 64. */
  readonly keepAliveSockets?: number;
  /** An idle connection is closed after this time: keep it below the other side's own limit. Default 4000. */
  readonly idleSocketMs?: number;
  /** For `https:` with a private authority or client certificates. Certificates are always checked. */
  readonly tls?: Pick<https.AgentOptions, "ca" | "cert" | "key" | "servername">;
}

/** What is at one URL, and the connections to it. */
export interface Connections {
  readonly limits: ExchangeLimits;
  /** Asked before every request: throws `host-not-allowed` once the host was taken off the list. */
  checkAllowed(): void;
  /** A POST to the URL itself, or to what `suffix` names below it. Nothing is sent before its body. */
  open(suffix: string, headers: Record<string, string>): http.ClientRequest;
  /** Closes every connection, whatever is under way on it. Twice without harm. */
  destroy(): void;
}

/**
 * One pool per URL, so that a slow receiver cannot take another's sockets. `whose` names it in errors ("participant"). Throws
 * `invalid-option` and `host-not-allowed`.
 */
export function connectionsTo(urlText: string, whose: string, options: ConnectionOptions): Connections {
  const target = checkUrl(urlText, whose);
  const destination = destinationOf(target);
  const allowed = allowedHosts(options.allowHosts);
  const checkAllowed = (): void => {
    if (!allowed(destination)) throw notAllowed(destination, whose);
  };
  checkAllowed();
  const limits = exchangeLimits(options);
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
    port: destination.port,
    lookup: guardedLookup,
  };
  const base = target.pathname.replace(/\/+$/, "");
  return {
    limits,
    checkAllowed,
    open: (suffix, headers) => request({ ...fixed, path: suffix === "" ? target.pathname : `${base}${suffix}`, headers }),
    destroy: () => agent.destroy(),
  };
}

export function exchangeLimits(options: ConnectionOptions): ExchangeLimits {
  return {
    connectTimeoutMs: limit(options.connectTimeoutMs, HTTP_DEFAULTS.connectTimeoutMs, "connectTimeoutMs"),
    responseTimeoutMs: limit(options.responseTimeoutMs, HTTP_DEFAULTS.responseTimeoutMs, "responseTimeoutMs"),
    responseBytesMax: limit(options.responseBytesMax, HTTP_DEFAULTS.responseBytesMax, "responseBytesMax"),
  };
}

function destinationOf({ protocol, hostname, port }: URL): Destination {
  const usual = protocol === "https:" ? 443 : 80;
  return { hostname, port: port === "" ? usual : Number(port) };
}

function checkUrl(text: string, whose: string): URL {
  const url = URL.parse(text);
  const wrong = url === null ? "cannot be read" : faultOf(url);
  if (url !== null && wrong === undefined) return url;
  // The text itself may hold a password: it is not repeated.
  throw new TripactError("invalid-option", `A ${whose}'s URL ${wrong}.`, { where: "url" });
}

function faultOf(url: URL): string | undefined {
  if (url.protocol !== "http:" && url.protocol !== "https:") return `begins with http: or https:, not ${url.protocol}`;
  if (url.username !== "" || url.password !== "") return "has no user name and no password; what is sent is signed";
  if (url.search !== "" || url.hash !== "") return "has no query and no fragment; it ends with its path";
  return undefined;
}

function notAllowed({ hostname, port }: Destination, whose: string): TripactError {
  return new TripactError("host-not-allowed", `Requests to ${hostname}:${port} are not allowed.`, {
    where: "allowHosts",
    hint: `Add "${hostname}:${port}" if it is a ${whose}.`,
  });
}
