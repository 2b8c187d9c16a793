import { TripactError, textOf } from "../../protocol/errors.ts";
import { connectionsTo } from "../../wire/connections.ts";
import type { ConnectionOptions, Connections } from "../../wire/connections.ts";
import { abortFailure, exchange } from "../../wire/exchange.ts";
import type { Exchanged } from "../../wire/exchange.ts";
import { HTTP_DEFAULTS, limit } from "../../wire/limits.ts";
import { signingKey } from "../../wire/signing.ts";
import type { SigningKey } from "../../wire/signing.ts";
import type { Envelope, Receipt, Sink, SinkFeatures } from "../broker.ts";
import { batchReceipts, encodeBatch, encodeMember } from "./batch.ts";
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
  /**
   * Messages of one `deliver` travel in one request (`batch.ts`), and are taken in their order, those of a key as well: for a receiver that has our
   * `eventHandler`. With `consume` they share a commit there. Default false.
   */
  readonly batches?: boolean;
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
 * Messages of one `deliver` travel side by side, in no order, unless `batches` says that they go together. A connection is used again only when the answer named its request in
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
    ordered: options.batches === true,
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
      const delivery = options.batches === true ? sender.sendTogether(messages, signal) : Promise.all(messages.map((message) => sender.send(message, signal)));
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
/** Of one request with several events: half of what a receiver takes by default. A larger message goes alone. */
const BATCH_BYTES_MAX = HTTP_DEFAULTS.eventBytesMax / 2;

/** A message, and how a batch has it. */
interface Member {
  readonly message: Envelope;
  readonly body: Buffer;
}

/** What has an order: whoever forwards others' messages has theirs in one key, too. */
function keyOf({ topic, key }: Envelope): string {
  return JSON.stringify([topic, key]);
}

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

  /** As few requests as the receiver's limit allows, one after the other. Behind one that was not done, no other of its key goes out. Never rejects. */
  async sendTogether(messages: readonly Envelope[], signal: AbortSignal): Promise<readonly Receipt[]> {
    if (messages.length === 1) return Promise.all(messages.map((message) => this.send(message, signal)));
    const receipts = new Map<Envelope, Receipt>();
    const failed = new Set<string>();
    const note = (message: Envelope, receipt: Receipt): void => {
      receipts.set(message, receipt);
      if (receipt.kind !== "done") failed.add(keyOf(message));
    };
    for (const members of this.#requestsOf(messages, note)) {
      const due = members.filter(({ message }) => !failed.has(keyOf(message)));
      const answers = due.length < 2 ? await Promise.all(due.map(({ message }) => this.send(message, signal))) : await this.#sendBatch(due, signal);
      for (const [index, { message }] of due.entries()) note(message, answers[index] ?? unknownReceipt("bad-answer", "no receipt"));
    }
    return messages.map((message) => receipts.get(message) ?? unknownReceipt("not-tried", "behind one of its key that was not done"));
  }

  *#requestsOf(messages: readonly Envelope[], note: (message: Envelope, receipt: Receipt) => void): Generator<readonly Member[]> {
    let members: Member[] = [];
    let bytes = 0;
    for (const message of messages) {
      let body: Buffer;
      try {
        body = encodeMember(message);
      } catch (error) {
        // It never left, and will not be another one tomorrow.
        note(message, refusedReceipt("bad-message", textOf(error)));
        continue;
      }
      if (members.length > 0 && bytes + body.length > BATCH_BYTES_MAX) {
        yield members;
        members = [];
        bytes = 0;
      }
      members.push({ message, body });
      bytes += body.length + 1;
    }
    if (members.length > 0) yield members;
  }

  async #sendBatch(members: readonly Member[], signal: AbortSignal): Promise<readonly Receipt[]> {
    const messages = members.map(({ message }) => message);
    if (!(await this.#slots.take(signal))) return messages.map(() => unknownReceipt(abortFailure(signal), "given up before it was sent"));
    try {
      return batchReceipts(await this.#ask(encodeBatch(messages, members.map(({ body }) => body)), signal), messages.length);
    } finally {
      this.#slots.give();
    }
  }

  async #exchange(message: Envelope, signal: AbortSignal): Promise<Receipt> {
    let event: EventRequest;
    try {
      event = encodeEvent(message, this.#mode);
    } catch (error) {
      return refusedReceipt("bad-message", textOf(error));
    }
    return receiptOf(await this.#ask(event, signal));
  }

  /** Never rejects. */
  async #ask(event: EventRequest, signal: AbortSignal): Promise<Exchanged> {
    try {
      this.#connections.checkAllowed();
    } catch (error) {
      return { kind: "unknown", code: "host-not-allowed", error: textOf(error) };
    }
    const { body } = event;
    const echo = event.headers["idempotency-key"] ?? "";
    try {
      const request = this.#connections.open("", this.#signed(event));
      return await exchange(request, { body, echo, reuseOnlyNamed: true, limits: this.#connections.limits, signal });
    } catch (error) {
      return { kind: "unknown", code: "bad-call", error: textOf(error) };
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
