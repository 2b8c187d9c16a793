import type { AfterTry, Receipt } from "../../protocol/message.ts";
import { textOf } from "../../protocol/errors.ts";
import type { Copy, HeldKey, LoggedMessage, Retried, Retries, RetryRow } from "../../stores/outbox-log.ts";
import type { Clock } from "../clock.ts";
import { keyOf, type Held } from "./pipeline.ts";

export interface RetryQueueParts {
  readonly subscription: string;
  readonly owner: () => string;
  readonly retries: Retries;
  readonly clock: Clock;
  /** How many messages of a key may go in one delivery now. */
  readonly batchMax: () => number;
  readonly troubleMs: number;
  /** Delivers when a worker is free; undefined: not now, for no fault of the messages. */
  readonly deliver: (messages: readonly LoggedMessage[], attempts: number) => Promise<readonly Receipt[] | undefined>;
  readonly judge: (message: LoggedMessage, attempts: number, receipt: Receipt) => AfterTry;
  /** Lanes that turned out to be somebody else's. */
  readonly onFenced: () => void;
  readonly onTrouble: (error: unknown) => void;
  /** A key is free again. */
  readonly onFreed: () => void;
}

interface HeldState {
  readonly topic: string;
  readonly key: string;
  readonly lane: number;
  /** Decided to be copied, not in the table yet. */
  uncommitted: number;
  /** In the table, as far as we know. */
  count: number;
  /** Under way since before they were copied. */
  readonly detached: Set<LoggedMessage>;
  /** Their answers, if they came before the copy was committed. */
  readonly answers: Map<LoggedMessage, AfterTry>;
  busy: boolean;
  parked: boolean;
  cancel: (() => void) | undefined;
  /** Counts what came into the table, so that a look that found nothing knows whether it is still true. */
  commits: number;
}

/** Tries the heads of held keys again, one key at a time in its order, and lets a key go when nothing of it is left in the table. */
export class RetryQueue implements Held {
  readonly #parts: RetryQueueParts;
  readonly #keys = new Map<string, HeldState>();
  #stopped = false;

  constructor(parts: RetryQueueParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** The longest queue of a key, with its lane. */
  longest(): { readonly lane: number; readonly topic: string; readonly key: string; readonly count: number } | undefined {
    let longest: HeldState | undefined;
    for (const held of this.#keys.values()) if (longest === undefined || held.count + held.uncommitted > longest.count + longest.uncommitted) longest = held;
    return longest === undefined ? undefined : { lane: longest.lane, topic: longest.topic, key: longest.key, count: longest.count + longest.uncommitted };
  }

  busy(lane: number): boolean {
    for (const held of this.#keys.values()) if (held.lane === lane && (held.busy || held.detached.size > 0 || held.uncommitted > 0)) return true;
    return false;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add({ message }: Copy): void {
    this.#held(message).uncommitted += 1;
  }

  /** These are still under way: no other try before they are answered. */
  detached(messages: readonly LoggedMessage[]): void {
    for (const message of messages) this.#held(message).detached.add(message);
  }

  /** A message that was detached has its answer. */
  answered(message: LoggedMessage, after: AfterTry): void {
    const held = this.#keys.get(keyOf(message));
    if (held === undefined || !held.detached.has(message)) return;
    held.answers.set(message, after);
    if (held.uncommitted === 0) this.#guard(held, () => this.#work(held));
  }

  /** The copies are in the table. */
  committed(copies: readonly Copy[], delayOf: (attempts: number, topic: string) => number): void {
    for (const { message, state, attempts } of copies) {
      if (state === "skipped") continue;
      const held = this.#held(message);
      held.uncommitted -= 1;
      held.count += 1;
      held.commits += 1;
      if (state === "parked") held.parked = true;
      if (held.uncommitted > 0) continue;
      if (held.answers.size > 0) this.#guard(held, () => this.#work(held));
      else if (held.detached.size === 0 && !held.parked && held.cancel === undefined) this.#schedule(held, delayOf(attempts, message.topic));
    }
  }

  /** Keys as the table has them: on claiming lanes, and every now and then, since people decide there. */
  load(keys: readonly HeldKey[]): void {
    for (const { topic, key, lane, count, head } of keys) {
      const held = this.#held({ topic, key, lane });
      held.count = Math.max(count, held.count);
      const wasParked = held.parked;
      held.parked = head.state === "parked";
      if (!held.parked && (wasParked || held.cancel === undefined) && !held.busy && held.detached.size === 0) this.#schedule(held, 0);
    }
    const known = new Set(keys.map(keyOf));
    // A parked one that a person has discarded: look whether anything is left.
    for (const [name, held] of this.#keys) if (held.parked && !known.has(name)) this.#unpark(held);
  }

  stop(): void {
    this.#stopped = true;
    for (const held of this.#keys.values()) held.cancel?.();
    this.#keys.clear();
  }

  #unpark(held: HeldState): void {
    held.parked = false;
    this.#schedule(held, 0);
  }

  #held({ topic, key, lane }: { readonly topic: string; readonly key: string; readonly lane: number }): HeldState {
    const name = keyOf({ topic, key });
    let held = this.#keys.get(name);
    if (held === undefined) {
      held = { topic, key, lane, uncommitted: 0, count: 0, detached: new Set(), answers: new Map(), busy: false, parked: false, cancel: undefined, commits: 0 };
      this.#keys.set(name, held);
    }
    return held;
  }

  #schedule(held: HeldState, delayMs: number): void {
    if (this.#stopped) return;
    held.cancel?.();
    held.cancel = this.#parts.clock.after(delayMs, () => {
      held.cancel = undefined;
      this.#guard(held, () => this.#work(held));
    });
  }

  /** One at a time a key; trouble with the log is told and tried again. */
  #guard(held: HeldState, work: () => Promise<void>): void {
    if (this.#stopped || held.busy) return;
    held.busy = true;
    work()
      .catch((error: unknown) => {
        if (this.#stopped) return;
        this.#parts.onTrouble(error);
        this.#schedule(held, this.#parts.troubleMs);
      })
      .finally(() => {
        held.busy = false;
        if (held.answers.size > 0 && held.uncommitted === 0 && held.cancel === undefined) this.#schedule(held, 0);
      });
  }

  async #work(held: HeldState): Promise<void> {
    const { retries, subscription, batchMax } = this.#parts;
    while (!this.#stopped) {
      if (held.answers.size > 0 && held.uncommitted === 0 && !(await this.#recordAnswers(held))) return;
      if (held.detached.size > 0) return;
      const { commits } = held;
      const rows = await retries.next({ subscription, lane: held.lane, topic: held.topic, key: held.key, limit: batchMax() });
      if (this.#stopped) return;
      const [head] = rows;
      if (head === undefined) return this.#nothingLeft(held, commits);
      held.parked = head.state === "parked";
      if (held.parked) return;
      // One that has failed goes alone: in a batch nobody could tell whether it was tried.
      const due = head.attempts > 0 ? [head] : rows.filter(({ state }) => state !== "parked");
      if (!(await this.#tryRows(held, due))) return;
    }
  }

  /** True: go on with the next ones at once. */
  async #tryRows(held: HeldState, rows: readonly RetryRow[]): Promise<boolean> {
    const { deliver, judge, troubleMs } = this.#parts;
    const receipts = await deliver(rows.map(({ message }) => message), rows[0]?.attempts ?? 0);
    if (this.#stopped) return false;
    if (receipts === undefined) {
      this.#schedule(held, troubleMs);
      return false;
    }
    const retried: Retried[] = [];
    let delayMs: number | undefined;
    for (const [index, { message, attempts }] of rows.entries()) {
      const after = judge(message, attempts, receipts[index] ?? { kind: "unknown", error: "no receipt" });
      retried.push(retriedOf(message, after));
      if (after.kind === "again") delayMs = after.delayMs;
      // Nothing behind one that was not delivered has been tried, also where that one is skipped.
      if (after.kind !== "delivered") break;
    }
    await this.#record(held, retried);
    if (delayMs !== undefined) this.#schedule(held, delayMs);
    held.parked = retried.at(-1)?.state === "parked";
    return delayMs === undefined && !held.parked;
  }

  /** True: go on with the next ones at once. */
  async #recordAnswers(held: HeldState): Promise<boolean> {
    const answers = [...held.answers].toSorted(([a], [b]) => a.seq - b.seq);
    await this.#record(held, answers.map(([message, after]) => retriedOf(message, after)));
    let delayMs = 0;
    for (const [message, after] of answers) {
      held.answers.delete(message);
      held.detached.delete(message);
      if (after.kind === "again") delayMs = Math.max(delayMs, after.delayMs);
    }
    if (delayMs > 0 && held.detached.size === 0) this.#schedule(held, delayMs);
    return delayMs === 0;
  }

  async #record(held: HeldState, retried: readonly Retried[]): Promise<void> {
    const { retries, subscription, owner, onFenced } = this.#parts;
    const lanes = await retries.record({ subscription, owner: owner(), retried });
    if (this.#stopped) return;
    if (!lanes.includes(held.lane)) return onFenced();
    held.count = Math.max(0, held.count - retried.filter(({ state }) => state === "delivered" || state === "skipped").length);
  }

  #nothingLeft(held: HeldState, commits: number): void {
    if (held.commits !== commits) return this.#schedule(held, 0);
    held.count = 0;
    // What is on its way there will ask for us when it has arrived.
    if (held.uncommitted > 0 || held.detached.size > 0) return;
    this.#keys.delete(keyOf(held));
    this.#parts.onFreed();
  }
}

function retriedOf(message: LoggedMessage, after: AfterTry): Retried {
  const { seq, id, lane } = message;
  switch (after.kind) {
    case "delivered":
      return { seq, id, lane, state: "delivered", attempts: 0 };
    case "again":
    case "given-up":
      return { seq, id, lane, state: after.state, attempts: after.attempts, error: after.error };
  }
}

/** What went wrong, for a log: bounded. */
export function clipped(error: unknown): string {
  const text = textOf(error);
  return text.length <= 2_000 ? text : `${text.slice(0, 2_000)} … (${text.length} characters)`;
}
