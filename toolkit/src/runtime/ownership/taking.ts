import { textOf } from "../../protocol/errors.ts";
import type { Json } from "../../protocol/json.ts";
import type { TransactionEvent } from "../../protocol/transaction.ts";
import type { EntryWrite, Journal, JournalHeader, JournalRecord } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import { Live } from "../live.ts";
import type { Notify } from "../notices.ts";
import type { Tuning } from "../options.ts";

export interface TakingParts {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
}

export interface Taker {
  /** Who they belong to; what belongs to somebody else by the time it is read is left alone. */
  readonly owner: string;
  readonly isWanted: () => boolean;
  readonly adopt: (live: Live, record: JournalRecord) => void;
}

/** How often one transaction alone is read in vain, while the store answers otherwise, before it is set aside. Many: lost replies come in bursts. */
const READS_MAX = 12;
/** No transaction has this gid: a gid has no spaces. */
const NOBODY = "nobody at all";

/**
 * Makes transactions of ours, which only the journal knows, into ones that are driven. A slice that cannot be read is halved until the
 * culprit is alone, and the good halves do not wait for it. Whatever cannot be driven on is set aside: parked in its header with the
 * reason, for it would otherwise be ours, driven by nobody, and look well.
 */
export class Taking {
  readonly #parts: TakingParts;

  constructor(parts: TakingParts) {
    this.#parts = parts;
  }

  async take(gids: readonly string[], taker: Taker): Promise<void> {
    const slices: { readonly gids: readonly string[]; readonly tries: number }[] = [{ gids, tries: 0 }];
    for (let slice = slices.shift(); slice !== undefined && taker.isWanted(); slice = slices.shift()) {
      try {
        for (const record of await this.#parts.journal.read(slice.gids, "takeover")) await this.#adopt(record, taker);
      } catch (error) {
        this.#parts.notify({ kind: "store", error: textOf(error) });
        const [alone = "", ...others] = slice.gids;
        const { tries } = slice;
        if (!(await this.#canRead())) slices.unshift(slice);
        else if (others.length > 0) slices.push(...halves(slice.gids).map((half) => ({ gids: half, tries: 0 })));
        else if (tries + 1 < READS_MAX || !(await this.#setAsideUnread(alone, error, taker))) slices.push({ gids: slice.gids, tries: tries + 1 });
        await this.#pause(tries);
      }
    }
  }

  /** Whether the store answers at all: then what fails does so for reasons of its own. */
  async #canRead(): Promise<boolean> {
    try {
      await this.#parts.journal.read([NOBODY], "takeover");
      return true;
    } catch {
      return false;
    }
  }

  async #adopt(record: JournalRecord, taker: Taker): Promise<void> {
    const { clock } = this.#parts;
    if (!taker.isWanted() || record.owner !== taker.owner || record.summary.ended) return;
    try {
      taker.adopt(replayed(record, clock.nowMs()), record);
    } catch (error) {
      await this.#setAside(record, error, taker);
    }
  }

  /** Not even its entries can be read; its header says what is needed to park it. False: nor could the header. */
  async #setAsideUnread(gid: string, why: unknown, taker: Taker): Promise<boolean> {
    try {
      const [header] = await this.#parts.journal.list({ gid, limit: 1 });
      if (header !== undefined && header.owner === taker.owner && !header.summary.ended) await this.#setAside(header, why, taker);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * An empty entry: nothing happened to it, and a node that can read it goes on with it. Only the header says why it waits.
   */
  async #setAside(header: JournalHeader, why: unknown, { owner, isWanted }: Taker): Promise<void> {
    const { journal, clock, notify } = this.#parts;
    const { gid, epoch, seq, mailSeen, summary } = header;
    const error = textOf(why).slice(0, REASON_MAX);
    notify({ kind: "unreadable", gid, error });
    const parked = { ...summary, parked: `unreadable: ${error}` };
    const write: EntryWrite = { kind: "entry", gid, epoch, seq: seq + 1, entry: "[]", summary: parked, mailSeen, mailGuard: false, messages: [] };
    const batch = { flushId: clock.uuid(), owner, writes: [write] };
    for (let tries = 0; isWanted(); tries += 1) {
      try {
        await journal.write(batch);
        return;
      } catch (error_) {
        notify({ kind: "store", error: textOf(error_) });
        await this.#pause(tries);
      }
    }
  }

  #pause(tries: number): Promise<void> {
    const { clock, tuning } = this.#parts;
    return new Promise((resolve) => clock.after(Math.min(tuning.flushRetryMs * 2 ** Math.min(tries, 5), PAUSE_MAX_MS), resolve));
  }
}

const REASON_MAX = 2_000;
const PAUSE_MAX_MS = 1_000;

function halves<T>(list: readonly T[]): readonly (readonly T[])[] {
  const middle = Math.ceil(list.length / 2);
  return [list.slice(0, middle), list.slice(middle)];
}

/** A transaction as the journal tells it. Throws where this code cannot read it. */
export function replayed(record: JournalRecord, nowMs: number): Live {
  const { gid, definition, version, inputHash } = record;
  const live = new Live({ gid, definition, version, inputHash, input: JSON.parse(record.input) as Json });
  for (const entry of record.entries) {
    // Re-based: an event is as old on our clock as the database says it is.
    for (const event of JSON.parse(entry.entry) as TransactionEvent[]) live.replay(event, nowMs - entry.ageMs);
  }
  if (live.state.kind === "unborn") throw new Error("no entry says that it started");
  live.epoch = record.epoch;
  live.seq = record.seq;
  live.mailSeen = record.mailSeen;
  return live;
}
