import { textOf, TripactError } from "../protocol/errors.ts";
import type { JournalRecord } from "../stores/store.ts";
import type { Clock } from "./clock.ts";
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
      const passes = error instanceof TripactError && (error.code === "store-unreachable" || error.code === "store-unknown");
      if (!passes || isOver()) throw error;
      notify({ kind: "store", error: textOf(error) });
      await new Promise<void>((resolve) => clock.after(tuning.flushRetryMs, resolve));
    }
  }
}
