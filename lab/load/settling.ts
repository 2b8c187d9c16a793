/** After the load: each request whose outcome is unknown is sent again under its own id, until it has one answer or the time is over. */
import type { Ask, Told } from "./sending/sender.ts";

interface Open {
  readonly ask: Ask;
  tries: number;
  notBefore: number;
  lastEvidence: string;
}

export interface SettlingOptions {
  readonly asks: Iterable<Ask>;
  readonly until: number;
  readonly send: (ask: Ask) => void;
  /** Once for each: with its one answer, or as still unknown. */
  readonly onSettled: (told: Told) => void;
}

const IN_FLIGHT_MAX = 256;
/** Gentle: whatever does not answer is starting again just now, and a buyer may ask only so often. */
const PAUSE_MS = 500;

export class Settling {
  readonly #options: SettlingOptions;
  #waiting: Open[];
  readonly #flying = new Map<string, Open>();
  resolved = 0;
  unresolved = 0;

  constructor(options: SettlingOptions) {
    this.#options = options;
    this.#waiting = Array.from(options.asks, (ask) => ({ ask, tries: 0, notBefore: 0, lastEvidence: "not asked again" }));
  }

  get over(): boolean {
    return this.#waiting.length === 0 && this.#flying.size === 0;
  }

  tick(now: number): void {
    if (this.over) return;
    if (now >= this.#options.until) {
      if (this.#flying.size === 0) this.#giveUp(now);
      return;
    }
    if (this.#flying.size >= IN_FLIGHT_MAX) return;
    // What is answered within the send comes back into the new list.
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const open of waiting) {
      if (this.#flying.size >= IN_FLIGHT_MAX || open.notBefore > now) this.#waiting.push(open);
      else this.#send(open, now);
    }
  }

  #send(open: Open, now: number): void {
    open.tries += 1;
    this.#flying.set(open.ask.requestId, open);
    this.#options.send({ ...open.ask, op: "settle", again: true, s: now });
  }

  told(told: Told): void {
    const open = this.#flying.get(told.ask.requestId);
    if (open === undefined) return;
    this.#flying.delete(told.ask.requestId);
    if (isFinal(told)) {
      this.resolved += 1;
      this.#options.onSettled(told);
      return;
    }
    open.lastEvidence = told.answer.evidence;
    open.notBefore = told.c + PAUSE_MS;
    this.#waiting.push(open);
  }

  #giveUp(now: number): void {
    for (const { ask, tries, lastEvidence } of this.#waiting) {
      this.unresolved += 1;
      const evidence = `unresolved after ${tries} tries: ${lastEvidence}`;
      this.#options.onSettled({ ask: { ...ask, op: "settle", again: true, s: now }, answer: { outcome: "info", evidence }, a: null, c: now });
    }
    this.#waiting = [];
  }
}

/** To be told that one asks too often says nothing about the request. */
function isFinal({ answer }: Told): boolean {
  return answer.outcome === "accepted" || (answer.outcome === "reject" && answer.evidence !== "too-often");
}
