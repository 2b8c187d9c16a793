import { TripactError, textOf } from "../../protocol/errors.ts";
import { connectionsTo } from "../../wire/connections.ts";
import type { ConnectionOptions, Connections } from "../../wire/connections.ts";
import { abortFailure, exchange } from "../../wire/exchange.ts";
import { HTTP_DEFAULTS, limit } from "../../wire/limits.ts";
import { signingKey } from "../../wire/signing.ts";
import type { SigningKey } from "../../wire/signing.ts";
import type { Envelope, Receipt, Sink, SinkFeatures } from "../broker.ts";
import { encodeEvent } from "./cloud-event.ts";
import type { ContentMode, EventRequest } from "./cloud-event.ts";
import { receiptOf, refusedReceipt, unknownReceipt } from "./receipts.ts";
import { signEvent } from "./signature.ts";
import { Slots } from "./slots.ts";

export interface HttpSinkOptions extends Pick<ConnectionOptions, "allowHosts" | "connectTimeoutMs" | "responseBytesMax" | "idleSocketMs" | "tls"> {
  /** The receiver: `http:` or `https:`, without credentials, query or fragment. Messages are POSTed to exactly this path. */
  readonly url: string;
  /** Signs every event; at least 16 characters, one per receiver. The receiver has it among its `secrets`. */
  readonly secret: string;
  /** From a message's sending until its whole answer is here. Default 5000. Waiting for a connection does not count. */
  readonly timeoutMs?: number;
  /** Messages, and so connections, at a time. Default 64. */
  readonly connections?: number;
  /** Default 256. */
  readonly batchMax?: number;
  /** Default `binary`. */
  readonly mode?: ContentMode;
  /** The receiver answers 2xx only after its own commit, as `eventHandler` with `consume` does. Default false: nobody said so. */
  readonly persistent?: boolean;
  /** Unix milliseconds, for `tripact-sent-at`. Default `Date.now`. */
  readonly nowMs?: () => number;
}

/**
 * A sink that delivers each message as a CloudEvents 1.0 request, signed (`signature.ts`). Answers are read as in `receipts.ts`; what is
 * not surely an answer of the receiver is `unknown`, with one of the `Failure` codes in its text. Nothing is asked twice in here.
 *
 * Messages of one `deliver` travel side by side, in no order. A connection is used again only when the answer named its request in
 * `tripact-answers` (our own handler does): after another one's second answer, the next message would be `done` without having arrived.
 *
 * Throws `invalid-option` and `host-not-allowed` when it is made; `deliver` throws `too-large` for more than `batchMax` messages.
 */
export function httpSink(options: HttpSinkOptions): Sink {
  const concurrency = limit(options.connections, HTTP_DEFAULTS.keepAliveSockets, "connections");
  const responseTimeoutMs = limit(options.timeoutMs, HTTP_DEFAULTS.eventTimeoutMs, "timeoutMs");
  const connections = connectionsTo(options.url, "receiver", { ...options, keepAliveSockets: concurrency, responseTimeoutMs });
  const sender = new Sender(connections, options, new Slots(concurrency));
  const features: SinkFeatures = {
    name: "http",
    persistent: options.persistent ?? false,
    ordered: false,
    deduplicates: false,
    batchMax: limit(options.batchMax, BATCH_MAX, "batchMax"),
  };
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  const finish = async (): Promise<void> => {
    await Promise.all(underWay);
    connections.destroy();
  };

  return {
    features,
    async deliver(messages, signal) {
      if (messages.length > features.batchMax) {
        throw new TripactError("too-large", `${messages.length} messages at once, the limit is ${features.batchMax}.`, { where: "http.deliver" });
      }
      if (closing !== undefined) return messages.map(() => unknownReceipt("closed", "this sink was closed"));
      const delivery = Promise.all(messages.map((message) => sender.send(message, signal)));
      underWay.add(delivery);
      try {
        return await delivery;
      } finally {
        underWay.delete(delivery);
      }
    },
    close() {
      closing ??= finish();
      return closing;
    },
  };
}

/** Enough to keep 64 connections busy while the slowest answer of a batch is out. */
const BATCH_MAX = 256;

class Sender {
  readonly #connections: Connections;
  readonly #slots: Slots;
  readonly #key: SigningKey;
  readonly #mode: ContentMode;
  readonly #nowMs: () => number;

  constructor(connections: Connections, { secret, mode = "binary", nowMs = Date.now }: HttpSinkOptions, slots: Slots) {
    if (mode !== "binary" && mode !== "structured") {
      throw new TripactError("invalid-option", `A content mode is "binary" or "structured", not ${String(mode)}.`, { where: "mode" });
    }
    this.#connections = connections;
    this.#slots = slots;
    this.#key = signingKey(secret, "secret");
    this.#mode = mode;
    this.#nowMs = nowMs;
  }

  /** Never rejects. */
  async send(message: Envelope, signal: AbortSignal): Promise<Receipt> {
    if (!(await this.#slots.take(signal))) return unknownReceipt(abortFailure(signal), "given up before it was sent");
    try {
      return await this.#exchange(message, signal);
    } finally {
      this.#slots.give();
    }
  }

  async #exchange(message: Envelope, signal: AbortSignal): Promise<Receipt> {
    let event: EventRequest;
    try {
      event = encodeEvent(message, this.#mode);
    } catch (error) {
      // It never left, and will not be another one tomorrow.
      return refusedReceipt("bad-message", textOf(error));
    }
    try {
      this.#connections.checkAllowed();
    } catch (error) {
      return unknownReceipt("host-not-allowed", textOf(error));
    }
    const { body } = event;
    const echo = event.headers["idempotency-key"] ?? "";
    try {
      const request = this.#connections.open("", this.#signed(event));
      return receiptOf(await exchange(request, { body, echo, reuseOnlyNamed: true, limits: this.#connections.limits, signal }));
    } catch (error) {
      return unknownReceipt("bad-call", textOf(error));
    }
  }

  #signed({ headers, body }: EventRequest): Record<string, string> {
    const signed: Record<string, string> = {
      ...headers,
      "content-length": String(body.length),
      "accept-encoding": "identity",
      "tripact-sent-at": String(this.#nowMs()),
    };
    return { ...signed, "tripact-signature": signEvent(this.#key, signed, body) };
  }
}
