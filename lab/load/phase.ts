/** One phase of load: what it offers, when, by whom, and what came of it. */
import type { Answer } from "./sending/answer.ts";
import { arrivalCount, arrivals, seeded, turns } from "./arrivals.ts";
import { Latencies } from "./latency.ts";
import type { Counts, PhasePlan } from "./protocol.ts";
import type { Ask, Told } from "./sending/sender.ts";

interface Buyer {
  readonly lastRequestId: string;
  /** Units of this sale are promised to him. */
  bought: boolean;
}

/** Beyond, orders are not compared here; who judges the history compares them all. */
const ORDERS_MAX = 1_000_000;

export class Phase {
  readonly number: number;
  readonly plan: PhasePlan;
  /** The phase's start. */
  readonly startsAt: number;
  readonly answerMs = new Latencies();
  readonly paidMs = new Latencies();
  readonly counts = { offered: 0, accepted: 0, soldOut: 0, limited: 0, tooOften: 0, refused: 0, overloaded: 0, notSent: 0, unknown: 0, otherOrder: 0 } satisfies Counts;
  readonly #path: string;
  readonly #requestPrefix: string;
  readonly #arrivals: Iterator<number, void>;
  readonly #turns: Uint32Array;
  // One stream of chances for each question, drawn at every turn: what is answered changes who asks, never when.
  readonly #repeats: () => number;
  readonly #returns: () => number;
  readonly #buyers = new Map<number, Buyer>();
  /** By request id, the first order that it was given. Its answer may come long after the buyer has asked anew. */
  readonly #orders = new Map<string, string>();
  #nextS: number | undefined;
  #answered = 0;

  constructor(number: number, plan: PhasePlan, startsAt: number, run: string) {
    this.number = number;
    this.plan = plan;
    this.startsAt = startsAt;
    this.#path = `/sales/${encodeURIComponent(plan.sku)}/purchases`;
    this.#requestPrefix = `${run}-${number}-`;
    this.#arrivals = arrivals(plan.ratePerSecond, plan.seconds, seeded(plan.seed));
    this.#turns = turns(plan.buyers, seeded(plan.seed + 1));
    this.#repeats = seeded(plan.seed + 2);
    this.#returns = seeded(plan.seed + 3);
    this.#nextS = this.#draw();
  }

  get offers(): number {
    return arrivalCount(this.plan.ratePerSecond, this.plan.seconds);
  }

  /** Everything is offered, and everything offered has its answer. */
  get over(): boolean {
    return this.#nextS === undefined && this.#answered === this.counts.offered;
  }

  get offering(): boolean {
    return this.#nextS !== undefined;
  }

  stop(): void {
    this.#nextS = undefined;
  }

  /** Hands over every intent whose time has come, however late it is by now. */
  offerDue(now: number, send: (ask: Ask) => void): void {
    while (this.#nextS !== undefined && this.#nextS <= now) {
      const ask = this.#ask(this.counts.offered, this.#nextS);
      this.counts.offered += 1;
      this.#nextS = this.#draw();
      send(ask);
    }
  }

  /** Takes the outcome of something offered. */
  learn({ ask, answer, a, c }: Told): void {
    this.#answered += 1;
    this.#count(answer);
    if (a !== null) this.answerMs.record(c - ask.s);
    const buyer = this.#buyers.get(ask.buyer);
    if (buyer !== undefined && answer.outcome === "accepted") buyer.bought = true;
  }

  /** @returns the order that the same request id had been given before, if this answer names another one. */
  earlierOrder({ ask, answer: { orderId } }: Told): string | undefined {
    if (orderId === undefined) return undefined;
    const first = this.#orders.get(ask.requestId);
    if (first === undefined && this.#orders.size < ORDERS_MAX) this.#orders.set(ask.requestId, orderId);
    if (first === undefined || first === orderId) return undefined;
    this.counts.otherOrder += 1;
    return first;
  }

  #ask(turn: number, s: number): Ask {
    const repeats = this.#repeats() < this.plan.repeatShare;
    const buyer = this.#whoseTurn(turn);
    const known = this.#buyers.get(buyer);
    const again = repeats && known !== undefined;
    const requestId = again ? known.lastRequestId : this.#requestPrefix + turn.toString(36);
    if (!again) this.#buyers.set(buyer, { lastRequestId: requestId, bought: known?.bought ?? false });
    return { op: "purchase", phase: this.number, path: this.#path, buyer, requestId, quantity: this.plan.quantity, again, s };
  }

  /** Who has bought mostly leaves his turn to the one across the round: so nobody's turn comes more than twice as often, and limits by rate stay out of it. */
  #whoseTurn(turn: number): number {
    const { buyers, firstBuyer, returnShare } = this.plan;
    const returns = this.#returns() < returnShare;
    const own = firstBuyer + (this.#turns[turn % buyers] ?? 0);
    if (returns || this.#buyers.get(own)?.bought !== true) return own;
    return firstBuyer + (this.#turns[(turn + (buyers >> 1)) % buyers] ?? 0);
  }

  #count({ outcome, evidence }: Answer): void {
    const { counts } = this;
    switch (outcome) {
      case "ok": case "accepted": counts.accepted += 1; break;
      case "info": counts.unknown += 1; break;
      case "fail":
        if (evidence === "overloaded") counts.overloaded += 1;
        else counts.notSent += 1;
        break;
      case "reject":
        if (evidence === "sold-out") counts.soldOut += 1;
        else if (evidence === "limited" || evidence === "too-often") counts.limited += 1;
        else counts.refused += 1;
        if (evidence === "too-often") counts.tooOften += 1;
        break;
    }
  }

  #draw(): number | undefined {
    const next = this.#arrivals.next();
    return next.done === true ? undefined : this.startsAt + next.value;
  }
}
