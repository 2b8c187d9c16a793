/** Sends purchases and says what came of each: exactly one answer for each ask, whatever happens to the connection. */
import type { Dispatcher } from "undici";
import { classify, classifyError, type Answer } from "./answer.ts";
import type { Connection, Connections } from "./connections.ts";

/** One request of a buyer, as it was meant. */
export interface Ask {
  readonly op: "purchase" | "settle";
  readonly phase: number;
  readonly path: string;
  readonly buyer: number;
  readonly requestId: string;
  readonly quantity: number;
  readonly again: boolean;
  /** Intended start. */
  readonly s: number;
}

export interface Told {
  readonly ask: Ask;
  readonly answer: Answer;
  /** Actual send; null: no byte left. */
  readonly a: number | null;
  readonly c: number;
}

export interface SenderOptions {
  readonly connections: Connections;
  readonly timeoutMs: number;
  /** Requests sent and not answered, with those that wait for a connection. */
  readonly inFlightMax: number;
  readonly now: () => number;
  readonly tell: (told: Told) => void;
}

export function buyerName(buyer: number): string {
  return `buyer-${buyer}`;
}

const HEADERS = ["content-type", "application/json"];
const BODY_BYTES_MAX = 65_536;
/** How many answered ones may be kept until they are cleared away together. */
const SWEPT_AT_ONCE = 4096;
/** Of those that wait for a connection, how many are tried again: a bound on what waiting costs, that is not lower when ticks are rare. */
const RETRIES_A_MS = 256;

export class Sender {
  readonly #options: SenderOptions;
  /** In the order of their deadlines, since all have the same time. */
  #sent: Exchange[] = [];
  #sentHead = 0;
  /** No connection was free when their time came. */
  #late: { readonly ask: Ask; readonly until: number }[] = [];
  #retriedAt = 0;
  /** Sent, or handed to a connection that is being opened. */
  #open = 0;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#open + this.#late.length;
  }

  /** Never throws, never waits. */
  send(ask: Ask): void {
    if (this.inFlight >= this.#options.inFlightMax) this.#giveUp(ask, "not sent: too many in flight");
    else if (!this.#start(ask)) this.#late.push({ ask, until: this.#options.now() + this.#options.timeoutMs });
  }

  /**
   * Ends what has been waited for long enough, and starts what can be started by now. The former only after what has arrived is read: a
   * process that did not get its turn for a while must not take its own sleep for the gateway's.
   */
  tick(): void {
    const now = this.#options.now();
    if ((this.#sent[this.#sentHead]?.deadline ?? Infinity) <= now || this.#sentHead + SWEPT_AT_ONCE < this.#sent.length) setImmediate(this.#sweep, now);
    if (this.#late.length > 0) this.#retry(now);
  }

  /** Ends everything now: what has been sent is unknown, what waits was not sent. */
  abandon(): void {
    for (const exchange of this.#sent.slice(this.#sentHead)) if (!exchange.ended) exchange.giveUp("abandoned");
    for (const { ask } of this.#late.splice(0)) this.#giveUp(ask, "not sent: the load was ended");
  }

  #start(ask: Ask): boolean {
    const connection = this.#options.connections.acquire(ask.buyer);
    if (connection === undefined) return false;
    const exchange = new Exchange(ask, connection, this.#options.now, this.#ended);
    exchange.deadline = this.#options.now() + this.#options.timeoutMs;
    this.#open += 1;
    this.#sent.push(exchange);
    const body = `{"buyer":"${buyerName(ask.buyer)}","quantity":${ask.quantity},"requestId":"${ask.requestId}"}`;
    try {
      connection.client.dispatch({ path: ask.path, method: "POST", headers: HEADERS, body }, exchange);
    } catch (error) {
      exchange.fail(error instanceof Error ? error : new Error(String(error)));
    }
    return true;
  }

  readonly #sweep = (now: number): void => {
    for (;;) {
      const exchange = this.#sent[this.#sentHead];
      if (exchange === undefined || !(exchange.ended || exchange.deadline <= now)) break;
      this.#sentHead += 1;
      if (!exchange.ended) exchange.giveUp("timeout");
    }
    if (this.#sentHead < SWEPT_AT_ONCE) return;
    this.#sent = this.#sent.slice(this.#sentHead);
    this.#sentHead = 0;
  };

  #retry(now: number): void {
    const tried = this.#late.splice(0, Math.ceil(RETRIES_A_MS * Math.max(1, now - this.#retriedAt)));
    this.#retriedAt = now;
    for (const waiting of tried) {
      if (this.#start(waiting.ask)) continue;
      // From when it could have been sent: that this process was late is no reason to send less.
      if (waiting.until <= now) this.#giveUp(waiting.ask, "not sent: no connection free");
      else this.#late.push(waiting);
    }
  }

  #giveUp(ask: Ask, evidence: string): void {
    this.#options.tell({ ask, answer: { outcome: "fail", evidence }, a: null, c: this.#options.now() });
  }

  readonly #ended = (exchange: Exchange, answer: Answer): void => {
    this.#open -= 1;
    // One that never came up may still be on its way to a dead host.
    if (exchange.a === null) this.#options.connections.drop(exchange.connection);
    else this.#options.connections.release(exchange.connection);
    this.#options.tell({ ask: exchange.ask, answer, a: exchange.a, c: this.#options.now() });
  };
}

class GivenUp extends Error {
  readonly code: "timeout" | "abandoned";
  constructor(code: "timeout" | "abandoned") {
    super(`given up: ${code}`);
    this.code = code;
  }
}

/** One request on one connection. It is its own handler: at thousands a second, closures would be most of the cost. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly ask: Ask;
  readonly connection: Connection;
  readonly #now: () => number;
  readonly #onEnd: (exchange: Exchange, answer: Answer) => void;
  a: number | null = null;
  deadline = 0;
  ended = false;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #body: Buffer | undefined;

  constructor(ask: Ask, connection: Connection, now: () => number, onEnd: (exchange: Exchange, answer: Answer) => void) {
    this.ask = ask;
    this.connection = connection;
    this.#now = now;
    this.#onEnd = onEnd;
  }

  /** The first byte is about to leave. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.ended || this.a !== null) {
      // Given up by now, or a second try that nobody asked for: it must not be sent.
      controller.abort(new GivenUp("abandoned"));
      return;
    }
    this.#controller = controller;
    this.a = this.#now();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body = this.#body === undefined ? chunk : Buffer.concat([this.#body, chunk]);
    if (this.#body.length > BODY_BYTES_MAX) controller.abort(new Error("the answer does not end"));
  }

  onResponseEnd(): void {
    this.#end(classify(this.#status, this.#body?.toString() ?? ""));
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  giveUp(code: "timeout" | "abandoned"): void {
    const error = new GivenUp(code);
    this.fail(error);
    this.#controller?.abort(error);
  }

  fail(error: Error): void {
    this.#end(classifyError(error, this.a !== null));
  }

  #end(answer: Answer): void {
    if (this.ended) return;
    this.ended = true;
    this.#onEnd(this, answer);
  }
}
