import type { IncomingMessage, ServerResponse } from "node:http";
import { textOf } from "../../protocol/errors.ts";
import type { Answer } from "../../protocol/outcome.ts";
import { toWire, unknown } from "../../wire/answers.ts";
import type { WireAnswer } from "../../wire/answers.ts";
import { answerWithin, dropBody, preliminary, readBody, reporting, respond, single } from "../../wire/incoming.ts";
import { HTTP_DEFAULTS, limit } from "../../wire/limits.ts";
import { signingKeys } from "../../wire/signing.ts";
import type { SigningKey } from "../../wire/signing.ts";
import type { Envelope } from "../broker.ts";
import { BATCH_TYPE, batchAnswer, batchKey, decodeBatch } from "./batch.ts";
import { decodeEvent, eventKey } from "./cloud-event.ts";
import { takeAll, takeOne } from "./receive.ts";
import type { ReceiveEvent } from "./receive.ts";
import { verifyEvent } from "./signature.ts";

export interface EventHandlerOptions {
  /** Signatures by any of these are accepted: to rotate, add the new one here first, then sign with it, then remove the old. */
  readonly secrets: readonly string[];
  readonly receive: ReceiveEvent;
  /** Default 1 MiB and 128 KiB: a payload of full size and its headers. */
  readonly bodyBytesMax?: number;
  /** After this time the signal aborts and the event is answered as unknown. Default 30000. */
  readonly receiveTimeoutMs?: number;
  /** How long after its signing a request is taken: less than the inbox remembers. Default 24 h. */
  readonly maxAgeMs?: number;
  /** Unix milliseconds. Default `Date.now`. */
  readonly nowMs?: () => number;
  /** Hears what the sender is not told: errors that `receive` threw, events that cannot be read, requests that broke off. */
  readonly onError?: (error: unknown, envelope: Envelope | undefined) => void;
}

export type EventHandler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Receives signed CloudEvents, in binary, structured or batched mode, on any Node HTTP server: `createServer(eventHandler({ … }))`, or at a path
 * of your own before any body parser. A signature is checked before anything of the event is believed. It does not know which events
 * came before: that is the inbox's task, see `consume`. Throws `invalid-option` when it is made.
 */
export function eventHandler(options: EventHandlerOptions): EventHandler {
  const { receive } = options;
  const admission = admissionOf(options);
  const receiveTimeoutMs = limit(options.receiveTimeoutMs, HTTP_DEFAULTS.callTimeoutMs, "receiveTimeoutMs");
  const report = reporting(options.onError);

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const admitted = await admit(request, admission, (error) => report(error, undefined));
    if (admitted.kind === "turned-away") return respond(response, toWire(admitted.answer));
    response.setHeader("tripact-answers", admitted.key);
    const work = async (signal: AbortSignal): Promise<WireAnswer> => {
      if (admitted.kind === "event") return toWire(await takeOne(receive, admitted.envelope, signal, report));
      return batchAnswer(await takeAll(receive, admitted.envelopes, signal, report));
    };
    respond(response, await answerWithin(response, receiveTimeoutMs, work));
  };

  return (request, response) => {
    serve(request, response).catch((error: unknown) => {
      report(error, undefined);
      respond(response, toWire(unknown("internal", "the event could not be read")));
    });
  };
}

interface Admission {
  readonly keys: readonly SigningKey[];
  readonly bodyBytesMax: number;
  readonly maxAgeMs: number;
  readonly nowMs: () => number;
}

function admissionOf({ secrets, bodyBytesMax, maxAgeMs, nowMs = Date.now }: EventHandlerOptions): Admission {
  return {
    keys: signingKeys(secrets),
    bodyBytesMax: limit(bodyBytesMax, HTTP_DEFAULTS.eventBytesMax, "bodyBytesMax"),
    maxAgeMs: limit(maxAgeMs, HTTP_DEFAULTS.eventAgeMs, "maxAgeMs"),
    nowMs,
  };
}

const MEDIA_TYPE = /^application\/(cloudevents(-batch)?\+)?json$/i;

/** `key`: what the answer names. */
type Admitted =
  | { readonly kind: "event"; readonly key: string; readonly envelope: Envelope }
  | { readonly kind: "batch"; readonly key: string; readonly envelopes: readonly Envelope[] }
  | { readonly kind: "turned-away"; readonly answer: Answer };

/** Reads and checks one request. Rejects only when the connection breaks or its body was consumed before us. */
async function admit(request: IncomingMessage, admission: Admission, report: (error: unknown) => void): Promise<Admitted> {
  const { keys, bodyBytesMax, maxAgeMs, nowMs } = admission;
  const away = (answer: Answer): Admitted => ({ kind: "turned-away", answer });
  const { headers } = request;
  const wrong = preliminary(request, MEDIA_TYPE);
  const body = wrong === undefined ? await readBody(request, bodyBytesMax) : undefined;
  if (body === undefined) {
    dropBody(request, bodyBytesMax);
    return away(wrong ?? unknown("too-large", `over ${bodyBytesMax} bytes`));
  }
  if (!verifyEvent(keys, single(headers["tripact-signature"]), headers, body)) {
    return away(unknown("signature-refused", "no secret of ours made this signature"));
  }
  const now = nowMs();
  const sentAt = single(headers["tripact-sent-at"]);
  if (!/^\d{1,15}$/.test(sentAt)) return away(unknown("bad-event", "tripact-sent-at is no time"));
  if (now - Number(sentAt) > maxAgeMs) return away(unknown("expired", `signed over ${maxAgeMs} ms ago`));
  try {
    if ((headers["content-type"] ?? "").toLowerCase().startsWith(BATCH_TYPE)) {
      const envelopes = decodeBatch(headers, body, now);
      return { kind: "batch", key: batchKey(envelopes), envelopes };
    }
    const envelope = decodeEvent(headers, body, now);
    return { kind: "event", key: eventKey(envelope.source, envelope.id), envelope };
  } catch (error) {
    report(error);
    return away(unknown("bad-event", textOf(error)));
  }
}
