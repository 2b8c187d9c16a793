/** Clients in a closed loop, each with one transaction at a time, as Jepsen's are; together no faster than the rate. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { Desk } from "./desk.ts";
import type { MicroOp } from "./history.ts";
import type { Transactions } from "./plan.ts";
import type { Recorder } from "./recorder.ts";

export interface Asking {
  readonly desks: readonly Desk[];
  readonly recorder: Recorder;
  readonly signal: AbortSignal;
}

export interface ClientsOptions {
  readonly clients: number;
  /** Of all clients together, where they can keep it up. */
  readonly ratePerSecond: number;
  readonly seconds: number;
}

/** Resolves when the time is up and every transaction has ended in some way. */
export async function runClients(asking: Asking, transactions: Transactions, { clients, ratePerSecond, seconds }: ClientsOptions): Promise<void> {
  const startMs = performance.now();
  const everyMs = (1_000 * clients) / ratePerSecond;
  const one = async (client: number): Promise<void> => {
    const process = new Process(asking, client, clients);
    // Spread over the first interval; whoever is late does not catch up.
    let nextMs = startMs + (everyMs * client) / clients;
    while (nextMs < startMs + seconds * 1_000) {
      await wait(Math.max(0, nextMs - performance.now()), undefined, { signal: asking.signal });
      await process.run(transactions.next());
      nextMs = Math.max(nextMs + everyMs, performance.now());
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => one(client)));
}

const KEYS_A_READ = 8;
const READ_TRIES = 5;
const BETWEEN_TRIES_MS = 500;

/** Reads every list once more, when nothing is on its way. False where nobody could tell. */
export async function readAll(asking: Asking, keys: number, clients: number): Promise<boolean> {
  // A process of its own: those before it may still have something open.
  const process = new Process(asking, 0, clients, clients * (1 + asking.recorder.history.length));
  for (let from = 0; from < keys; from += KEYS_A_READ) {
    const reads = Array.from({ length: Math.min(KEYS_A_READ, keys - from) }, (_, offset): MicroOp => ["r", from + offset, null]);
    let read = false;
    for (let tries = 0; tries < READ_TRIES && !read; tries += 1) {
      if (tries > 0) await wait(BETWEEN_TRIES_MS, undefined, { signal: asking.signal });
      read = await process.run(reads);
    }
    if (!read) return false;
  }
  return true;
}

/** One after the other under one number, until nobody knows how one has ended: from then on it is another, of the same client. */
class Process {
  readonly #asking: Asking;
  readonly #clients: number;
  #turn: number;
  #process: number;

  constructor(asking: Asking, client: number, clients: number, first = client) {
    this.#asking = asking;
    this.#clients = clients;
    this.#turn = client;
    this.#process = first;
  }

  /** Whether it ended well. */
  async run(value: readonly MicroOp[]): Promise<boolean> {
    const { desks, recorder, signal } = this.#asking;
    const process = this.#process;
    recorder.add({ type: "invoke", process, value });
    const heard = await desks[this.#turn % desks.length]?.append(randomUUID(), value, signal);
    const { type, ...told } = heard ?? { type: "fail" as const, value, error: "there is no desk" };
    recorder.add({ type, process, ...told });
    if (type === "ok") return true;
    // What is known to have failed, failed because a list was full, or because nobody listens there: the next one is asked elsewhere.
    this.#turn += 1;
    if (type === "info") this.#process += this.#clients;
    return false;
  }
}
