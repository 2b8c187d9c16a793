/**
 * Does the errands that the ledger leaves for the provider. An errand is a row, so a kill forgets none; each is told until he answers, and
 * an answer is a fact, whoever hears it first. Beside that it looks up charges that he was told of and has said nothing about for long: a
 * callback may get lost.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { OpenTransaction, SqlExecutor } from "tripact/barrier";
import { Unknown } from "../service/ask.ts";
import { errandsDue, requestAgain, unanswered } from "./errands.ts";
import { doErrand, outcomeOf, type Company } from "./telling.ts";
import { Waits } from "./waits.ts";

export interface DispatcherOptions extends Company {
  readonly onError: (error: unknown) => void;
  readonly timing?: Partial<DispatcherTiming>;
}

export interface DispatcherTiming {
  /** Told or looked up at a time. */
  readonly concurrency: number;
  /** Beneath the wake-ups. */
  readonly pollMs: number;
  /** From one try to the next, of an errand that fails by itself and of the dispatcher when nothing works. */
  readonly baseMs: number;
  readonly capMs: number;
  /** So long after the request a charge without an answer is looked up, then ever more rarely. */
  readonly lookupAfterMs: number;
  readonly lookupCapMs: number;
}

/** Hands, and as many connections: a provider whose answer takes 400 ms is told 160 errands a second. */
export const ERRANDS_AT_ONCE = 64;

const USUAL: DispatcherTiming = { concurrency: ERRANDS_AT_ONCE, pollMs: 500, baseMs: 50, capMs: 1_000, lookupAfterMs: 2_000, lookupCapMs: 30_000 };
/** So many unknown ends in a row are the provider's trouble, not the errands'. One at a time finds out when it is over. */
const OUTAGE_AFTER = 8;
const STOP_WITHIN_MS = 3_000;

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #timing: DispatcherTiming;
  readonly #underWay = new Map<string, Promise<void>>();
  readonly #errandWaits: Waits;
  readonly #lookupWaits: Waits;
  #bell = Promise.withResolvers<void>();
  #loop: Promise<void> | undefined;
  #stopped = false;
  #unknownInARow = 0;
  /** Nothing is told before then. */
  #pausedUntilMs = 0;
  #roundsFailed = 0;
  #lookedUpAtMs = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#timing = { ...USUAL, ...options.timing };
    const { baseMs, capMs, lookupAfterMs, lookupCapMs } = this.#timing;
    this.#errandWaits = new Waits({ baseMs, capMs });
    this.#lookupWaits = new Waits({ baseMs: lookupAfterMs, capMs: lookupCapMs });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** There may be an errand: look now. Returns at once. */
  wake(): void {
    this.#bell.resolve();
  }

  /** What is under way ends, or is forgotten after a while: it is still in its row. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.wake();
    const done = new AbortController();
    const patience = wait(STOP_WITHIN_MS, undefined, { signal: done.signal }).catch(() => undefined);
    await Promise.race([Promise.all([this.#loop, ...this.#underWay.values()]), patience]);
    done.abort();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#bell = Promise.withResolvers();
      const restMs = await this.#round();
      if (!this.#stopped) await this.#rest(restMs);
    }
  }

  /** Takes what is due and free hands can hold; returns how long to rest if nothing rings. */
  async #round(): Promise<number> {
    const nowMs = performance.now();
    if (nowMs < this.#pausedUntilMs) return this.#pausedUntilMs - nowMs;
    const hands = (this.#unknownInARow >= OUTAGE_AFTER ? 1 : this.#timing.concurrency) - this.#underWay.size;
    // The next one to end rings.
    if (hands <= 0) return this.#timing.pollMs;
    try {
      const taken = await this.#takeErrands(hands, nowMs);
      if (taken < hands) await this.#takeLookups(hands - taken, nowMs);
      this.#roundsFailed = 0;
    } catch (error) {
      if (this.#roundsFailed === 0) this.#options.onError(new Error("the payments that wait for the provider cannot be read", { cause: error }));
      this.#roundsFailed += 1;
      this.#pausedUntilMs = performance.now() + this.#backoff(this.#roundsFailed);
      return this.#backoff(this.#roundsFailed);
    }
    const nextAtMs = this.#errandWaits.nextAtMs(nowMs);
    return Math.min(this.#timing.pollMs, nextAtMs === undefined ? Infinity : Math.max(1, nextAtMs - nowMs));
  }

  async #takeErrands(limit: number, nowMs: number): Promise<number> {
    const errands = await errandsDue(this.#options.db, limit, [...this.#underWay.keys(), ...this.#errandWaits.waiting(nowMs)]);
    for (const errand of errands) this.#take(errand.orderId, this.#errandWaits, () => doErrand(this.#options, errand));
    return errands.length;
  }

  async #takeLookups(limit: number, nowMs: number): Promise<void> {
    const { lookupAfterMs, pollMs } = this.#timing;
    if (nowMs < this.#lookedUpAtMs + pollMs) return;
    const orderIds = await unanswered(this.#options.db, lookupAfterMs, limit, [...this.#underWay.keys(), ...this.#lookupWaits.waiting(nowMs)]);
    for (const orderId of orderIds) this.#take(orderId, this.#lookupWaits, () => this.#lookUp(orderId));
    // All hands were full of them: there may be more.
    this.#lookedUpAtMs = orderIds.length < limit ? nowMs : 0;
  }

  /** `work` says whether that was all for now; if not, or if it throws, the same comes again after a while. */
  #take(orderId: string, waits: Waits, work: () => Promise<boolean>): void {
    const one = work()
      .then(
        (done) => {
          this.#unknownInARow = 0;
          if (done) waits.passed(orderId);
          else waits.failed(orderId, performance.now());
        },
        (error: unknown) => this.#failed(orderId, waits, error),
      )
      .finally(() => {
        this.#underWay.delete(orderId);
        this.wake();
      });
    this.#underWay.set(orderId, one);
  }

  async #lookUp(orderId: string): Promise<boolean> {
    const { db, provider, hearing } = this.#options;
    const found = await provider.ask("/charges/lookup", { key: orderId });
    if (found.kind === "unknown") {
      await requestAgain(db, orderId);
      return true;
    }
    const outcome = outcomeOf(found);
    if (outcome === undefined) return false;
    await hearing.heard(orderId, outcome);
    return true;
  }

  /** Told once: when an errand begins to fail, and when everything does. */
  #failed(orderId: string, waits: Waits, error: unknown): void {
    const { onError } = this.#options;
    const tries = waits.failed(orderId, performance.now());
    if (!(error instanceof Unknown)) {
      if (tries === 1) onError(new Error(`order ${orderId}: its errand at the provider fails, and is tried again`, { cause: error }));
      return;
    }
    this.#unknownInARow += 1;
    if (this.#unknownInARow === 1) onError(error);
    const beyond = this.#unknownInARow - OUTAGE_AFTER;
    if (beyond >= 0) this.#pausedUntilMs = performance.now() + this.#backoff(beyond + 1);
  }

  #backoff(tries: number): number {
    return Math.min(this.#timing.capMs, this.#timing.baseMs * 2 ** Math.min(tries - 1, 20));
  }

  async #rest(forMs: number): Promise<void> {
    const woken = new AbortController();
    await Promise.race([this.#bell.promise, wait(forMs, undefined, { signal: woken.signal }).catch(() => undefined)]);
    woken.abort();
  }
}

/** `open`, and after each commit that may have left an errand a wake-up. A commit whose reply was lost may have happened, so it wakes too. */
export function leavingErrands(open: OpenTransaction, dispatcher: { wake(): void }): OpenTransaction {
  return async (work) => {
    let left = false;
    try {
      return await open((db) =>
        work({
          execute: async (text, values) => {
            const result = await db.execute(text, values);
            // Only the ledger writes them, and it names them.
            if (text.includes("errand")) left = true;
            return result;
          },
        }),
      );
    } finally {
      if (left) dispatcher.wake();
    }
  };
}

/** The same for statements that commit by themselves. */
export function leavingErrandsAlone(db: SqlExecutor, dispatcher: { wake(): void }): SqlExecutor {
  return {
    execute: (text, values) => db.execute(text, values).finally(() => (text.includes("errand") ? dispatcher.wake() : undefined)),
  };
}
