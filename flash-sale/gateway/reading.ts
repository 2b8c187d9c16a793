/** Questions that go through to a worker: so many from an address, so many at a time. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { NotTaken, Unknown } from "../service/ask.ts";
import { askedTooOften, overloaded, send, unknownOutcome, type Answer } from "./answers.ts";
import type { Buckets } from "./buckets.ts";
import { addressOf } from "./buyer.ts";

const AT_ONCE_MAX = 256;

export interface Reading {
  readonly onRequest: (request: FastifyRequest, reply: FastifyReply, done: () => void) => void;
  /** `unanswered`: what to say when no worker answers. Default: `overloaded`, since to read is to do nothing. */
  answer(reply: FastifyReply, ask: () => Promise<Answer>, unanswered?: Answer): void;
}

export function openReading({ addresses, clock, onError }: { readonly addresses: Buckets; readonly clock: () => number; readonly onError: (error: unknown) => void }): Reading {
  let asked = 0;
  const read = async (ask: () => Promise<Answer>, unanswered: Answer): Promise<Answer> => {
    if (asked >= AT_ONCE_MAX) return overloaded();
    asked += 1;
    try {
      return await ask();
    } catch (error) {
      onError(error);
      if (error instanceof Unknown) return unanswered;
      return error instanceof NotTaken ? overloaded() : unknownOutcome("this service failed");
    } finally {
      asked -= 1;
    }
  };
  return {
    onRequest(request, reply, done) {
      const waitMs = addresses.take(addressOf(request.socket), clock());
      if (waitMs > 0) send(reply, askedTooOften(waitMs));
      else done();
    },
    answer: (reply, ask, unanswered = overloaded()) => void read(ask, unanswered).then((answer) => send(reply, answer)),
  };
}
