import type { AfterTry, Receipt } from "../../protocol/message.ts";
import type { Copy, Cursor, LoggedMessage } from "../../stores/outbox-log.ts";

export interface OwnedLane {
  readonly lane: number;
  readonly epoch: number;
}

/** What a read brought, and where its lanes stand when all of it is settled. */
export interface AdmittedPage {
  readonly lanes: readonly OwnedLane[];
  readonly cursor: Cursor;
  readonly messages: readonly LoggedMessage[];
}

/** What may be written now: cursors that nothing unsettled lies behind, and the copies that go with them. */
export interface Settled {
  readonly lanes: readonly OwnedLane[];
  readonly cursor: Cursor;
  readonly copies: readonly Copy[];
  /** How many went by; with none the cursor only went on over what others wrote. */
  readonly messages: number;
}

/** Onto the last one where it is of the same lanes. */
export function joinOnto(all: Settled[], next: Settled): void {
  const last = all.at(-1);
  if (last?.lanes === next.lanes) all[all.length - 1] = { ...next, copies: [...last.copies, ...next.copies], messages: last.messages + next.messages };
  else all.push(next);
}

/** What became of each message of a delivery. Behind one of its key that was not delivered, a message was not tried, and has not failed. */
export function* afterEach(flights: readonly Flight[], receipts: readonly Receipt[], judge: (message: LoggedMessage, receipt: Receipt) => AfterTry): Generator<readonly [Flight, AfterTry]> {
  /** And when the one in front may go again: not before that. */
  const stopped = new Map<string, number>();
  for (const [index, flight] of flights.entries()) {
    const { message } = flight;
    const key = keyOf(message);
    const receipt = receipts[index] ?? { kind: "unknown", error: "the sink gave no receipt" };
    const delayMs = stopped.get(key);
    if (receipt.kind !== "done" && delayMs !== undefined) {
      yield [flight, { kind: "again", state: "waiting", attempts: 0, delayMs, error: "not tried: behind one of its key that was not delivered" }];
      continue;
    }
    const after = judge(message, receipt);
    if (after.kind !== "delivered") stopped.set(key, after.kind === "again" ? after.delayMs : 0);
    yield [flight, after];
  }
}

/** The keys that have messages in the retry table, or on their way there. */
export interface Held {
  has(key: string): boolean;
  add(copy: Copy): void;
}

/** A message that a sink has been asked to deliver. */
export interface Flight {
  readonly message: LoggedMessage;
  readonly sinceMs: number;
}

interface Page {
  readonly lanes: readonly OwnedLane[];
  readonly cursor: Cursor;
  readonly copies: Copy[];
  readonly messages: number;
  open: number;
}

interface Waiting {
  readonly message: LoggedMessage;
  readonly page: Page;
}

interface InFlight extends Waiting, Flight {
  /** It took too long: it is in the retry table, or on its way there. */
  copied: boolean;
}

interface Key {
  readonly name: string;
  queue: Waiting[];
  inFlight: number;
}

export function keyOf({ topic, key }: { readonly topic: string; readonly key: string }): string {
  return `${topic}\0${key}`;
}

/**
 * Messages between log and sink: which may go next, and how far the cursor may move. A key is in one delivery at a time; when one of
 * its messages fails, it and those behind it leave for the retry table, and the log goes on. Pages are settled in their order, whole.
 * No promises, no clock.
 */
export class Pipeline {
  readonly #held: Held;
  readonly #ordered: boolean;
  readonly #keys = new Map<string, Key>();
  /** Keys with something to send and nothing in flight, in the order in which they came. */
  readonly #ready = new Set<Key>();
  readonly #pages: Page[] = [];
  readonly #inFlight = new Map<LoggedMessage, InFlight>();
  #open = 0;
  #bytes = 0;

  /** `ordered`: the sink takes several messages of a key at once. */
  constructor(held: Held, ordered: boolean) {
    this.#held = held;
    this.#ordered = ordered;
  }

  /** Read, not settled. */
  get open(): number {
    return this.#open;
  }

  /** Characters of their payloads. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Pages that cover this lane and are not settled yet. */
  covers(lane: number): boolean {
    return this.#pages.some((page) => page.lanes.some((owned) => owned.lane === lane));
  }

  admit({ lanes, cursor, messages }: AdmittedPage): void {
    const page: Page = { lanes, cursor, copies: [], messages: messages.length, open: 0 };
    this.#pages.push(page);
    for (const message of messages) {
      page.open += 1;
      this.#open += 1;
      this.#bytes += message.payload.length;
      const name = keyOf(message);
      if (this.#held.has(name)) this.#copy({ message, page }, { message, state: "waiting", attempts: 0 });
      else this.#enqueue(name, { message, page });
    }
  }

  /** The next delivery, at most `limit` messages and, but for the first, `bytesMax` characters, by seq. Empty: nothing may go. */
  next(limit: number, bytesMax: number, nowMs: number): readonly Flight[] {
    const flights: InFlight[] = [];
    let bytes = 0;
    for (const key of this.#ready) {
      const room = this.#ordered ? limit - flights.length : Math.min(1, limit - flights.length);
      let fits = 0;
      for (; fits < room; fits += 1) {
        const size = key.queue[fits]?.message.payload.length;
        if (size === undefined || (bytes > 0 && bytes + size > bytesMax)) break;
        bytes += size;
      }
      if (fits === 0) break;
      const taken = key.queue.splice(0, fits);
      key.inFlight += taken.length;
      this.#ready.delete(key);
      for (const { message, page } of taken) {
        const flight: InFlight = { message, page, sinceMs: nowMs, copied: false };
        this.#inFlight.set(message, flight);
        flights.push(flight);
      }
    }
    return flights.sort((a, b) => a.message.seq - b.message.seq);
  }

  /** What became of a delivery. True: the message is in the retry table meanwhile, and the answer has to be written there. */
  landed({ message }: Flight, after: AfterTry): boolean {
    const flight = this.#land(message);
    if (flight === undefined) return false;
    const key = this.#keys.get(keyOf(message));
    if (flight.copied) {
      this.#goOn(key);
      return true;
    }
    if (after.kind === "delivered") this.#settled(flight);
    // Behind one that failed in the same delivery, it was not tried.
    else if (this.#held.has(keyOf(message))) this.#copy(flight, { message, state: "waiting", attempts: 0 });
    else this.#copy(flight, { message, state: after.state, attempts: after.attempts, error: after.error });
    this.#goOn(key);
    return false;
  }

  /** Not delivered, for no fault of the messages: they go again, before those behind them. Returns those that left for the retry table. */
  putBack(flights: readonly Flight[]): readonly LoggedMessage[] {
    const copied: LoggedMessage[] = [];
    const back = new Map<Key, Waiting[]>();
    for (const { message } of flights) {
      const flight = this.#land(message);
      const key = this.#keys.get(keyOf(message));
      if (flight?.copied === true) copied.push(message);
      if (flight === undefined || key === undefined) continue;
      const waiting = back.get(key) ?? [];
      if (!flight.copied) waiting.push(flight);
      back.set(key, waiting);
    }
    for (const [key, waiting] of back) {
      key.queue = [...waiting, ...key.queue];
      this.#goOn(key);
    }
    return copied;
  }

  /** Those that are under way since before `sinceMs` leave the log, so that other keys need not wait for them. Returns them. */
  detach(sinceMs: number): readonly LoggedMessage[] {
    const slow: LoggedMessage[] = [];
    for (const flight of this.#inFlight.values()) {
      if (flight.copied || flight.sinceMs > sinceMs) continue;
      flight.copied = true;
      slow.push(flight.message);
      this.#copy(flight, { message: flight.message, state: "waiting", attempts: 0 });
    }
    return slow;
  }

  /** Takes what is complete, from the front: neighbours with the same lanes as one. */
  takeSettled(): readonly Settled[] {
    const settled: Settled[] = [];
    while (this.#pages[0]?.open === 0) {
      const { lanes, cursor, copies, messages } = this.#pages.shift() as Page;
      joinOnto(settled, { lanes, cursor, copies, messages });
    }
    return settled;
  }

  #enqueue(name: string, waiting: Waiting): void {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { name, queue: [], inFlight: 0 };
      this.#keys.set(name, key);
    }
    key.queue.push(waiting);
    if (key.inFlight === 0) this.#ready.add(key);
  }

  #copy({ message, page }: Waiting, copy: Copy): void {
    page.copies.push(copy);
    this.#settled({ message, page });
    const { state } = copy;
    if (state === "skipped") return;
    this.#held.add(copy);
    // Those behind it wait where it waits.
    const key = this.#keys.get(keyOf(message));
    const behind = key?.queue.splice(0) ?? [];
    if (key !== undefined) this.#ready.delete(key);
    for (const waiting of behind) {
      waiting.page.copies.push({ message: waiting.message, state: "waiting", attempts: 0 });
      this.#held.add({ message: waiting.message, state: "waiting", attempts: 0 });
      this.#settled(waiting);
    }
  }

  #settled({ page, message }: Waiting): void {
    page.open -= 1;
    this.#open -= 1;
    this.#bytes -= message.payload.length;
  }

  #land(message: LoggedMessage): InFlight | undefined {
    const flight = this.#inFlight.get(message);
    this.#inFlight.delete(message);
    const key = this.#keys.get(keyOf(message));
    if (flight !== undefined && key !== undefined) key.inFlight -= 1;
    return flight;
  }

  #goOn(key: Key | undefined): void {
    if (key === undefined || key.inFlight > 0) return;
    if (key.queue.length > 0) this.#ready.add(key);
    else this.#keys.delete(key.name);
  }
}
