/** Asks after accepted orders, many at a time, until each is seen in a final state. */
import { Client } from "undici";
import { followerAddressOf } from "./sending/addresses.ts";

/** As the shop's contract has them: from these no order moves on, but for a paid one that is given back. */
const FINAL: ReadonlySet<string> = new Set(["paid", "sold-out", "declined", "expired", "cancelled", "failed", "refunded", "never-placed"]);

export interface Promised {
  readonly orderId: string;
  readonly phase: number;
  /** Intended start of the purchase. */
  readonly s: number;
}

export interface FollowerOptions {
  readonly target: URL;
  readonly ownAddresses: boolean;
  readonly timeoutMs: number;
  readonly onFinal: (promised: Promised, state: string) => void;
}

const IDS_A_QUESTION = 500;
const POLL_EVERY_MS = 50;
const IN_FLIGHT_MAX = 4;
/** Used in turn, so that a limit per address does not stop the one who only watches. */
const CLIENTS = 32;
const ORDERS_MAX = 1_000_000;

export class Follower {
  readonly #options: FollowerOptions;
  readonly #clients: Client[];
  /** Every order ever promised; false once it is final. */
  readonly #known = new Map<string, boolean>();
  #open: Promised[] = [];
  #openCount = 0;
  /** Where in `#open` the next question begins. */
  #next = 0;
  #asking = 0;
  #asked = 0;
  readonly #timer: NodeJS.Timeout;
  /** Promised, but not followed: there are too many. A run with any of them is not whole. */
  left = 0;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: CLIENTS }, (_, index) => new Client(options.target, {
      connectTimeout: options.timeoutMs,
      headersTimeout: options.timeoutMs,
      bodyTimeout: options.timeoutMs,
      allowH2: false,
      ...(options.ownAddresses ? { localAddress: followerAddressOf(index) } : {}),
    }));
    this.#timer = setInterval(() => this.#poll(), POLL_EVERY_MS);
  }

  /** Orders promised so far, each once. */
  get orders(): number {
    return this.#known.size;
  }

  get openOrders(): number {
    return this.#openCount;
  }

  follow(promised: Promised): void {
    if (this.#known.has(promised.orderId)) return;
    if (this.#known.size >= ORDERS_MAX) {
      this.left += 1;
      return;
    }
    this.#known.set(promised.orderId, true);
    this.#open.push(promised);
    this.#openCount += 1;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#clients.map((client) => client.destroy()));
  }

  /** Goes round once a tick at most, in as many questions as may be open. */
  #poll(): void {
    this.#forgetFinal();
    const questions = Math.min(IN_FLIGHT_MAX - this.#asking, Math.ceil(this.#open.length / IDS_A_QUESTION));
    for (let question = 0; question < questions; question += 1) void this.#ask(this.#batch());
  }

  /** From where the last one ended, and round to the beginning: while new orders keep coming there is no end at which to turn back. */
  #batch(): readonly Promised[] {
    const start = this.#next < this.#open.length ? this.#next : 0;
    const end = this.#open.slice(start, start + IDS_A_QUESTION);
    const beginning = this.#open.slice(0, Math.min(start, IDS_A_QUESTION - end.length));
    this.#next = beginning.length > 0 ? beginning.length : start + end.length;
    return [...end, ...beginning];
  }

  #forgetFinal(): void {
    if (this.#open.length === this.#openCount) return;
    this.#open = this.#open.filter(({ orderId }) => this.#known.get(orderId) === true);
  }

  async #ask(batch: readonly Promised[]): Promise<void> {
    const client = this.#clients[this.#asked % CLIENTS];
    if (client === undefined) return;
    this.#asked += 1;
    this.#asking += 1;
    try {
      const { statusCode, body } = await client.request({
        path: "/purchases/states",
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ orderIds: batch.map(({ orderId }) => orderId) }),
      });
      const text = await body.text();
      if (statusCode === 200) this.#learn(batch, statesIn(text));
    } catch {
      // Nobody answered: asked again in a moment, as long as the order is open.
    } finally {
      this.#asking -= 1;
    }
  }

  #learn(batch: readonly Promised[], states: Readonly<Record<string, unknown>>): void {
    for (const promised of batch) {
      const state = states[promised.orderId];
      if (typeof state !== "string" || !FINAL.has(state) || this.#known.get(promised.orderId) !== true) continue;
      this.#known.set(promised.orderId, false);
      this.#openCount -= 1;
      this.#options.onFinal(promised, state);
    }
  }
}

function statesIn(text: string): Readonly<Record<string, unknown>> {
  const decoded: unknown = JSON.parse(text);
  if (typeof decoded !== "object" || decoded === null || !("states" in decoded)) return {};
  const { states } = decoded;
  return typeof states === "object" && states !== null ? (states as Record<string, unknown>) : {};
}
