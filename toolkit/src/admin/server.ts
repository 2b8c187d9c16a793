import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { TripactError } from "../protocol/errors.ts";
import { DEFAULT_PAYLOAD_BYTES_MAX } from "../protocol/json.ts";
import type { Store } from "../stores/store.ts";
import type { Tripact } from "../tripact.ts";
import { allowOnlyQuery, readBody } from "./body.ts";
import { failureOf, HttpFailure } from "./failures.ts";
import { routes, type Admin, type Reply, type Route } from "./routes.ts";
import { Waits } from "./waits.ts";

export interface AdminOptions {
  readonly tripact: Tripact;
  /** The same store that the coordinator works on. */
  readonly store: Store;
  /** Whoever has it may start, cancel and decide. At least 16 characters; there is no default. */
  readonly token: string;
  /** When it aborts, requests that wait are answered at once, and `ready` is false. */
  readonly stopping?: AbortSignal;
  /** Default 1 MiB. */
  readonly bodyBytesMax?: number;
  /** How long a request waits for an end or a decision before it is answered 202. Default 25,000: below the 30 s of most proxies. */
  readonly waitMs?: number;
  /** How many transactions may be waited for at once. Default 2,000. */
  readonly waitsMax?: number;
  /** Hears what the caller is not told. */
  readonly onError?: (error: unknown) => void;
}

export type AdminHandler = (request: IncomingMessage, response: ServerResponse) => void;

const TOKEN_CHARACTERS_MIN = 16;

/**
 * The coordinator over HTTP, for services in any language: `createServer(adminHandler({ tripact, store, token }))`. JSON in and out,
 * described by `/openapi.json`. Errors are `{ code, message, hint? }`. Throws `invalid-option` when it is made.
 */
export function adminHandler(options: AdminOptions): AdminHandler {
  const { tripact, store, bodyBytesMax = DEFAULT_PAYLOAD_BYTES_MAX, waitMs = 25_000, waitsMax = 2_000 } = options;
  const knows = tokenCheck(options.token);
  const stopping = options.stopping ?? new AbortController().signal;
  const ready = (): boolean => tripact.ready() && !stopping.aborted;
  const admin: Admin = { tripact, store, ready, waits: new Waits(waitsMax), waitMs };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<Reply> => {
    const [pathname = "", search = ""] = split(request.url ?? "/");
    const found = find(pathname);
    const trusted = knows(request.headers.authorization);
    // Without the token nobody learns which paths there are.
    if (!trusted && !found.some(({ route }) => route.open === true && route.method === request.method)) throw unauthorized();
    if (found.length === 0) throw new HttpFailure(404, { code: "not-found", message: "There is nothing at this path.", hint: "GET /openapi.json lists what there is." });
    const match = found.find(({ route }) => route.method === request.method);
    if (match === undefined) throw wrongMethod(found.map(({ route }) => route.method));
    const query = new URLSearchParams(search);
    if (match.route.open !== true) allowOnlyQuery(query, match.route.query ?? []);
    const body = request.method === "POST" ? await readBody(request, bodyBytesMax) : {};
    const { traceparent } = request.headers;
    const signal = AbortSignal.any([stopping, goneOf(response)]);
    const asked = { path: match.path, query, body, traceparent: typeof traceparent === "string" ? traceparent : undefined, trusted, signal };
    return await match.route.handle(asked, admin);
  };

  return (request, response) => {
    answer(request, response)
      .catch((error: unknown) => {
        const failure = failureOf(error, ready());
        if (failure.status === 500) options.onError?.(error);
        for (const [name, value] of Object.entries(failure.headers)) response.setHeader(name, value);
        return { status: failure.status, body: failure.body };
      })
      .then((reply) => respond(request, response, reply))
      .catch((error: unknown) => {
        options.onError?.(error);
        response.destroy();
      });
  };
}

interface Match {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

/** Every route at this path, whatever its method. Split before it is decoded: a gid may hold a slash. */
function find(pathname: string): readonly Match[] {
  const segments = pathname.split("/");
  return routes.flatMap((route) => {
    const pattern = route.path.split("/");
    if (pattern.length !== segments.length) return [];
    const path: Record<string, string> = {};
    for (const [index, part] of pattern.entries()) {
      const segment = segments[index] ?? "";
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (name === undefined ? part !== segment : segment === "") return [];
      if (name !== undefined) path[name] = decoded(segment);
    }
    return [{ route, path }];
  });
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpFailure(400, { code: "malformed", message: "This path is not well-formed percent-encoded UTF-8." });
  }
}

function split(url: string): readonly string[] {
  const end = url.indexOf("?");
  return end < 0 ? [url] : [url.slice(0, end), url.slice(end + 1)];
}

function respond(request: IncomingMessage, response: ServerResponse, { status, body }: Reply): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": bytes.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  response.end(bytes);
  // What was not read (a body under a wrong token) must not be taken for the next request.
  request.resume();
}

function goneOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once("close", () => controller.abort());
  return controller.signal;
}

/** Compared as digests: equal in length, and in a time that tells nothing. */
function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  if (token.length < TOKEN_CHARACTERS_MIN || /\s/.test(token)) {
    throw new TripactError("invalid-option", `A token has at least ${TOKEN_CHARACTERS_MIN} characters, none of them a space.`, {
      where: "token",
      hint: "Make one with: openssl rand -hex 32",
    });
  }
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  const expected = digest(token);
  return (authorization) => {
    const given = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}

function unauthorized(): HttpFailure {
  return new HttpFailure(401, { code: "unauthorized", message: "This needs the server's token.", hint: "Send authorization: Bearer <token>." }, { "www-authenticate": "Bearer" });
}

function wrongMethod(allowed: readonly string[]): HttpFailure {
  return new HttpFailure(405, { code: "method-not-allowed", message: `Here you can ${allowed.join(" and ")}.` }, { allow: allowed.join(", ") });
}
