import { NeverStarted, textOf, TripactError } from "../protocol/errors.ts";
import type { Journal, JournalRecord } from "../stores/store.ts";
import type { Clock } from "./clock.ts";
import { compareIdentity, type Identity } from "./live.ts";
import type { Notify } from "./notices.ts";
import type { Tuning } from "./options.ts";
import { outcomeOf, outcomeOfHeader, type TransactionOutcome } from "./outcome.ts";
import { replayed } from "./ownership/taking.ts";

/** How a transaction stands, read from the journal alone: by the one who drives it or by anybody else. */
export function outcomeOfRecord(record: JournalRecord, parts: { readonly clock: Clock; readonly notify: Notify }): TransactionOutcome {
  if (record.entries.length === 0) return outcomeOfHeader(record);
  try {
    return outcomeOf(record.gid, replayed(record, parts.clock.nowMs()).state);
  } catch (error) {
    parts.notify({ kind: "unreadable", gid: record.gid, error: textOf(error) });
    return outcomeOfHeader(record);
  }
}

/** Who starts what is there already attaches to it, if it is the same promise. */
export function refuseOther(record: JournalRecord | undefined, identity: Identity): void {
  if (record === undefined) throw new TripactError("store-unknown", "The gid is taken, but cannot be read yet.", { where: identity.gid, hint: "Start again with the same gid." });
  if (record.summary.status === "never-started") throw new NeverStarted(identity.gid);
  compareIdentity(record, identity);
}

/**
 * What is asked of the journal while a reading is under way goes in the next one, as one statement: many who wait here for what another
 * node drives are one question a look.
 */
export class Readings {
  readonly #journal: Pick<Journal, "read">;
  readonly #gidsMax: number;
  readonly #asked = new Map<string, Promise<JournalRecord | undefined>>();
  #waiting: (Asking & { readonly gid: string })[] = [];
  #running = false;

  #look: Promise<void> | undefined;

  constructor(journal: Pick<Journal, "read">, gidsMax: number) {
    this.#journal = journal;
    this.#gidsMax = gidsMax;
  }

  /** Resolves when those who wait look again: all in the same turn, for readings of their own would come one a timer. */
  nextLook(clock: Clock, ms: number): Promise<void> {
    this.#look ??= new Promise((resolve) => {
      clock.after(ms, () => {
        this.#look = undefined;
        resolve();
      });
    });
    return this.#look;
  }

  /** Undefined for an unknown gid. What is answered was read after the question. */
  one(gid: string): Promise<JournalRecord | undefined> {
    const asked = this.#asked.get(gid);
    if (asked !== undefined) return asked;
    const { promise, resolve, reject } = Promise.withResolvers<JournalRecord | undefined>();
    this.#asked.set(gid, promise);
    this.#waiting.push({ gid, resolve, reject });
    if (!this.#running) void this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    this.#running = true;
    // Who asks in the same turn is in the first reading already.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const asking = this.#waiting.splice(0, this.#gidsMax);
      for (const { gid } of asking) this.#asked.delete(gid);
      await this.#read(new Map(asking.map((it) => [it.gid, it])));
    }
    this.#running = false;
  }

  /** What cannot be read is halved, so that one bad record is the trouble only of who asked for it. */
  async #read(asking: ReadonlyMap<string, Asking>): Promise<void> {
    try {
      const found = new Map((await this.#journal.read([...asking.keys()])).map((record) => [record.gid, record]));
      for (const [gid, { resolve }] of asking) resolve(found.get(gid));
    } catch (error) {
      if (asking.size === 1 || isAway(error)) return asking.forEach(({ reject }) => reject(error));
      const [all, middle] = [[...asking], Math.ceil(asking.size / 2)];
      await this.#read(new Map(all.slice(0, middle)));
      await this.#read(new Map(all.slice(middle)));
    }
  }
}

interface Asking {
  readonly resolve: (record: JournalRecord | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Trouble with the store as a whole, as far as anybody can tell. */
function isAway(error: unknown): boolean {
  return error instanceof TripactError && (error.code === "store-unreachable" || error.code === "store-unknown");
}

interface Patience {
  readonly clock: Clock;
  readonly notify: Notify;
  readonly tuning: Pick<Tuning, "flushRetryMs">;
}

/**
 * For who waits for what was accepted: it goes on, so trouble with the store is waited out. Told as an error, it would say that nothing
 * was written.
 */
export async function patiently<T>(ask: () => Promise<T>, isOver: () => boolean, { clock, notify, tuning }: Patience): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isAway(error) || isOver()) throw error;
      notify({ kind: "store", error: textOf(error) });
      await new Promise<void>((resolve) => clock.after(tuning.flushRetryMs, resolve));
    }
  }
}
