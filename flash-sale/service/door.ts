/** What services offer each other: questions by path, JSON in, JSON out, behind a token. What arrives is checked before anybody acts on it. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import fastify, { type FastifyInstance } from "fastify";

/** A door's type: for each path what it `asks` and what it `answers`. */
export type Questions<Door> = { readonly [Path in keyof Door]: { readonly asks: unknown; readonly answers: unknown } };

export interface Question<Asks, Answered> {
  /** JSON Schema of what is asked. Keys that it does not name are refused. */
  readonly schema: object;
  readonly answer: (asked: Asks) => Promise<Answered>;
}
export type Answers<Door extends Questions<Door>> = { readonly [Path in keyof Door]: Question<Door[Path]["asks"], Door[Path]["answers"]> };

export interface DoorOptions {
  readonly token: string;
  readonly onError: (error: unknown) => void;
  readonly bodyBytesMax?: number;
}

const BODY_BYTES_MAX = 262_144;
/** A caller has given up by then. */
const REQUEST_TIMEOUT_MS = 10_000;

/** Not a fault of ours: says what was wrong with the question. */
class NotAllowed extends Error {
  readonly statusCode = 401;
}

/**
 * An app that answers the questions of one or more doors. `GET /health` is open to everybody and tells nothing but `ok`.
 * A handler that throws is answered 500: for the caller an unknown outcome.
 */
export function openDoor<Door extends Questions<Door>>(answers: Answers<Door>, options: DoorOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax ?? BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Services mean what they say: a key too many or a number as text is a mistake of theirs, to be told and not to be mended.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
  });
  const expected = digest(`Bearer ${options.token}`);
  app.addHook("onRequest", async (request) => {
    if (request.url === "/health") return;
    if (!timingSafeEqual(digest(request.headers.authorization ?? ""), expected)) throw new NotAllowed("a bearer token is needed");
  });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) options.onError(error);
    return reply.code(status).send({ code: status >= 500 ? "failed" : "invalid", message: status >= 500 ? "this service failed; ask again" : error.message });
  });
  app.get("/health", async () => ({ ok: true }));
  for (const [path, { schema, answer }] of Object.entries<Question<never, unknown>>(answers)) {
    // Its schema has judged the body by now.
    app.post(path, { schema: { body: schema } }, async (request) => answer(request.body as never));
  }
  return app;
}

/** One server for a door and for listeners that read requests themselves, by path prefix. */
export function serverOf(app: FastifyInstance, at: Readonly<Record<string, RequestListener>>): Server {
  const prefixes = Object.entries(at);
  return createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    const found = prefixes.find(([prefix]) => request.url?.startsWith(prefix));
    if (found === undefined) app.routing(request, response);
    else found[1](request, response);
  });
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
