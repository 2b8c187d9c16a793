import type { IncomingMessage, ServerResponse } from "node:http";
import { TripactError } from "../../protocol/errors.ts";
import { DEFAULT_PAYLOAD_BYTES_MAX } from "../../protocol/json.ts";
import { toWire, unknown } from "../../wire/answers.ts";
import { reporting, respond } from "../../wire/incoming.ts";
import { HTTP_DEFAULTS, limit } from "../../wire/limits.ts";
import { signingKeys } from "../../wire/signing.ts";
import { echoOf, isRemoteOp } from "../call-headers.ts";
import type { RemoteOp } from "../call-headers.ts";
import type { Call } from "../transport.ts";
import { execute } from "./execute.ts";
import type { ParticipantOp } from "./execute.ts";
import { receive } from "./receive.ts";
import type { Admission } from "./receive.ts";

/**
 * A saga step offers `action` and `compensate`, a TCC participant `try`, `confirm` and `cancel`. `forget` is optional, and comes in
 * batches: the gids in its payload (`{ gids }`) have ended, `barrier.forget(db, gids)` may mark their rows.
 */
export type ParticipantRoute = { readonly [op in RemoteOp]?: ParticipantOp };

export interface ParticipantHandlerOptions {
  /** Signatures by any of these are accepted: to rotate, add the new one here first, then sign with it, then remove the old. */
  readonly secrets: readonly string[];
  /** By path, `"/wallet": { try, confirm, cancel }`; an op is then at `/wallet/try`. */
  readonly routes: Readonly<Record<string, ParticipantRoute>>;
  /** Default 2 MiB and a little: payload and forward result of full size. */
  readonly bodyBytesMax?: number;
  /** A larger result parks its branch, as one that is not JSON does. Default 1 MiB. */
  readonly resultBytesMax?: number;
  /** After this time the op's signal aborts and the call is answered as unknown. Default 30000. */
  readonly callTimeoutMs?: number;
  /** Unix milliseconds, compared with the call's `notAfter`. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Hears what the caller is not told: errors that an op threw, results that are not JSON, calls that broke off. */
  readonly onError?: (error: unknown, call: Call | undefined) => void;
}

/** `next` is called for every path that is not a participant's; without it such a path is answered 404. */
export type ParticipantHandler = (request: IncomingMessage, response: ServerResponse, next?: () => void) => void;

/**
 * Mounts participants on any Node HTTP server: `createServer(participantHandler({ … }))`, or `app.use(participantHandler({ … }))` where
 * middleware is taken as (req, res, next), before any body parser. Throws `invalid-option` when it is made.
 */
export function participantHandler(options: ParticipantHandlerOptions): ParticipantHandler {
  const routes = new Map(Object.entries(options.routes).map(checkRoute));
  const admission = admissionOf(options);
  const callTimeoutMs = limit(options.callTimeoutMs, HTTP_DEFAULTS.callTimeoutMs, "callTimeoutMs");
  const resultBytesMax = limit(options.resultBytesMax, DEFAULT_PAYLOAD_BYTES_MAX, "resultBytesMax");
  const report = reporting(options.onError);

  const serve = async (request: IncomingMessage, response: ServerResponse, found: Found): Promise<void> => {
    const received = await receive(request, found.name, admission);
    if (received.kind === "turned-away") return respond(response, toWire(received.answer));
    const { call } = received;
    response.setHeader("tripact-answers", echoOf(call.op, encodeURIComponent(call.key)));
    respond(response, await execute(found.op, call, { response, callTimeoutMs, resultBytesMax, report }));
  };

  return (request, response, next) => {
    const found = find(routes, request.url ?? "");
    if (found === undefined) {
      if (next !== undefined) return next();
      return respond(response, toWire(unknown("unknown-participant", "no participant and op at this path")));
    }
    serve(request, response, found).catch((error: unknown) => {
      report(error, undefined);
      respond(response, toWire(unknown("internal", "the call could not be read")));
    });
  };
}

interface Found {
  readonly name: RemoteOp;
  readonly op: ParticipantOp;
}

function find(routes: ReadonlyMap<string, ParticipantRoute>, url: string): Found | undefined {
  const end = url.indexOf("?");
  const path = end < 0 ? url : url.slice(0, end);
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (!isRemoteOp(name)) return undefined;
  const op = routes.get(path.slice(0, slash))?.[name];
  return op === undefined ? undefined : { name, op };
}

function admissionOf({ secrets, bodyBytesMax, nowMs = Date.now }: ParticipantHandlerOptions): Admission {
  return {
    keys: signingKeys(secrets),
    bodyBytesMax: limit(bodyBytesMax, HTTP_DEFAULTS.requestBytesMax, "bodyBytesMax"),
    nowMs,
  };
}

function checkRoute([path, route]: [string, ParticipantRoute]): [string, ParticipantRoute] {
  if (!/^(\/[^/?#\s]+)+$/.test(path)) {
    throw new TripactError("invalid-option", 'A participant\'s path looks like "/wallet".', { where: `routes: ${JSON.stringify(path)}` });
  }
  const stranger = Object.keys(route).find((name) => !isRemoteOp(name));
  if (stranger === undefined && Object.keys(route).length > 0) return [path, route];
  throw new TripactError("invalid-option", "A participant has ops among action, compensate, try, confirm, cancel and forget.", {
    where: `routes: ${path}${stranger === undefined ? "" : `: ${stranger}`}`,
  });
}
