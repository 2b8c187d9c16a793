import { TripactError } from "../../protocol/errors.ts";
import type { Lookup, Participant, SagaParticipant, TccParticipant } from "../participant.ts";
import { allowedHosts } from "../../wire/allowed-hosts.ts";
import { exchangeLimits } from "../../wire/connections.ts";
import { httpTransport } from "./client.ts";
import type { HttpTransportOptions } from "./client.ts";

export interface HttpParticipantOptions<Kind extends "saga" | "tcc"> extends HttpTransportOptions {
  /** `saga`: it serves `action` and `compensate`. `tcc`: `try`, `confirm` and `cancel`. */
  readonly kind: Kind;
  /** What the journal calls it; default its URL. Under a name it can move: whoever goes on looks the name up in his own list. */
  readonly name?: string;
  /** For participants without the barrier. Without it, the ops are taken to run under a barrier. */
  readonly unguarded?: Lookup;
  /** The coordinator's limit for one attempt of an op. */
  readonly timeoutMs?: number;
}

/** A participant at a URL, of the same type as one in this process. `In` is what it is sent, `Out` the result of its forward op. */
export function httpParticipant<In, Out = unknown>(options: HttpParticipantOptions<"saga">): SagaParticipant<In, Out>;
export function httpParticipant<In, Out = unknown>(options: HttpParticipantOptions<"tcc">): TccParticipant<In, Out>;
export function httpParticipant<In, Out>(options: HttpParticipantOptions<"saga" | "tcc">): Participant<"saga" | "tcc", In, Out> {
  const { kind, name, unguarded, timeoutMs, ...transport } = options;
  return {
    kind,
    target: name ?? transport.url,
    transport: httpTransport(transport),
    guard: unguarded === undefined ? "barrier" : "unguarded",
    ...(unguarded === undefined ? {} : { lookup: unguarded }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

export interface HttpParticipantsOptions extends Omit<HttpTransportOptions, "url" | "secret"> {
  /** The secret of the participant at this URL, or `undefined` for one that is not known. */
  readonly secretOf: (url: URL) => string | undefined;
}

/**
 * Finds participants by URL, for plans that name them so: `createTripact({ resolveParticipant: httpParticipants({ … }) })`. Answers
 * `undefined` for what is no URL, is not on the allow-list or has no secret. Throws `invalid-option` when it is made.
 */
export function httpParticipants({ secretOf, ...options }: HttpParticipantsOptions): (target: string) => Participant | undefined {
  exchangeLimits(options);
  allowedHosts(options.allowHosts);
  return (target) => {
    const url = URL.parse(target);
    const secret = url === null || !/^https?:$/.test(url.protocol) ? undefined : secretOf(url);
    if (secret === undefined) return undefined;
    try {
      // Only a flow asks for the kind, and a flow holds its participants itself: here both kinds are the same.
      return httpParticipant({ ...options, kind: "saga", url: target, secret });
    } catch (error) {
      if (error instanceof TripactError) return undefined;
      throw error;
    }
  };
}
