/**
 * The provider's charges: a state machine over a map. Nothing here waits or draws as it goes: what becomes of a charge is a hash of seed and
 * key, so a run repeats whatever the order in which its requests arrive.
 *
 *     pending ─→ authorised ─→ captured ─→ refunded
 *        │  │         └─→ voided
 *        │  └─→ captured
 *        └─→ declined
 */
import { createHash } from "node:crypto";
import type { Charge, ChargeRequest } from "../contracts.ts";

export interface Habits {
  readonly seed: string;
  /** Shares, 0 to 1. */
  readonly declined: number;
  readonly slow: number;
  readonly duplicated: number;
  readonly late: number;
  readonly answerMs: number;
  readonly slowMs: number;
  readonly lateMs: number;
}

/** What is to be done about a charge that is new: decided after `decideAfterMs`, told another `tellAfterMs` later, `times` times. */
export interface Course {
  readonly decideAfterMs: number;
  readonly tellAfterMs: number;
  readonly times: 1 | 2;
}

/** A decision, to be posted to whoever asked. */
export interface Decision {
  readonly key: string;
  readonly state: Charge["state"];
  readonly callbackUrl: string;
}

/** This key was used for a charge of other cents. */
export class KeyConflict extends Error {
  readonly code = "key-conflict";
  readonly statusCode = 409;
  constructor(key: string, cents: number, earlier: number) {
    super(`key ${key} is a charge of ${earlier} cents, not of ${cents}`);
    this.name = "KeyConflict";
  }
}

export class ChargeUnknown extends Error {
  readonly code = "charge-unknown";
  readonly statusCode = 404;
  constructor(key: string) {
    super(`there is no charge ${key}`);
    this.name = "ChargeUnknown";
  }
}

/** Nothing has happened; a provider that forgot a charge to take another one would be worse. */
export class ChargesFull extends Error {
  readonly code = "charges-full";
  constructor(max: number) {
    super(`there are ${max} charges in memory already; start the provider anew`);
    this.name = "ChargesFull";
  }
}

interface Entry {
  readonly key: string;
  /** Undefined where a void came before the request. */
  request: ChargeRequest | undefined;
  state: Charge["state"];
  /** Voided while pending. */
  doomed: boolean;
}

const CHARGES_MAX = 1_000_000;
const PAGE_MAX = 1_000;

export class Charges {
  readonly #habits: Habits;
  readonly #max: number;
  readonly #entries = new Map<string, Entry>();
  /** In the order of their arrival, for the book. */
  readonly #book: Entry[] = [];

  constructor(habits: Habits, { max = CHARGES_MAX }: { readonly max?: number } = {}) {
    this.#habits = habits;
    this.#max = max;
  }

  /** `course` is there once a charge, for whoever keeps the clock. */
  request(asked: ChargeRequest): { readonly charge: Charge; readonly course?: Course } {
    const earlier = this.#entries.get(asked.key);
    if (earlier === undefined) return { charge: chargeOf(this.#add(asked.key, asked, "pending")), course: this.#courseOf(asked.key) };
    if (earlier.request === undefined) earlier.request = asked;
    else if (earlier.request.cents !== asked.cents) throw new KeyConflict(asked.key, asked.cents, earlier.request.cents);
    return { charge: chargeOf(earlier) };
  }

  /** The time has come. Undefined when there is nothing to tell. */
  decide(key: string): Decision | undefined {
    const entry = this.#entries.get(key);
    if (entry?.request === undefined || entry.state !== "pending") return undefined;
    if (entry.doomed || this.#draw(key, "declined") < this.#habits.declined) entry.state = "declined";
    else entry.state = entry.request.capture === "at-once" ? "captured" : "authorised";
    return { key, state: entry.state, callbackUrl: entry.request.callbackUrl };
  }

  lookup(key: string): Charge | { readonly kind: "unknown" } {
    const entry = this.#entries.get(key);
    return entry === undefined ? { kind: "unknown" } : chargeOf(entry);
  }

  /** Answers with what it is by now: only an authorised charge changes. */
  capture(key: string): Charge {
    const entry = this.#known(key);
    if (entry.state === "authorised") entry.state = "captured";
    return chargeOf(entry);
  }

  /** A void that overtakes its request stays: the request finds it and starts nothing. */
  void(key: string): Charge {
    const entry = this.#entries.get(key) ?? this.#add(key, undefined, "voided");
    giveBack(entry);
    return chargeOf(entry);
  }

  /** What was never captured needs no money back; it is freed, as by a void. */
  refund(key: string): Charge {
    const entry = this.#known(key);
    giveBack(entry);
    return chargeOf(entry);
  }

  /** Page by page; `after` is 0 at first, then what the page before said. An empty page is the end. */
  page(after: number): { readonly charges: readonly Charge[]; readonly after: number } {
    const entries = this.#book.slice(after, after + PAGE_MAX);
    return { charges: entries.map(chargeOf), after: after + entries.length };
  }

  #add(key: string, request: ChargeRequest | undefined, state: Charge["state"]): Entry {
    if (this.#entries.size >= this.#max) throw new ChargesFull(this.#max);
    const entry: Entry = { key, request, state, doomed: false };
    this.#entries.set(key, entry);
    this.#book.push(entry);
    return entry;
  }

  #known(key: string): Entry {
    const entry = this.#entries.get(key);
    if (entry === undefined) throw new ChargeUnknown(key);
    return entry;
  }

  #courseOf(key: string): Course {
    const { slow, late, duplicated, answerMs, slowMs, lateMs } = this.#habits;
    return {
      decideAfterMs: this.#draw(key, "slow") < slow ? slowMs : answerMs,
      tellAfterMs: this.#draw(key, "late") < late ? lateMs : 0,
      times: this.#draw(key, "duplicated") < duplicated ? 2 : 1,
    };
  }

  /** 0 to below 1, the same for the same seed, key and question. */
  #draw(key: string, question: string): number {
    return createHash("sha256").update(JSON.stringify([this.#habits.seed, key, question])).digest().readUIntBE(0, 6) / 2 ** 48;
  }
}

function giveBack(entry: Entry): void {
  if (entry.state === "pending") entry.doomed = true;
  else if (entry.state === "authorised") entry.state = "voided";
  else if (entry.state === "captured") entry.state = "refunded";
}

function chargeOf({ key, request, state }: Entry): Charge {
  return { kind: "charge", key, cents: request?.cents ?? 0, state };
}
