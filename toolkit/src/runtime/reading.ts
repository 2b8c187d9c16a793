import type { JournalRecord } from "../stores/store.ts";
import type { Clock } from "./clock.ts";
import type { Notify } from "./notices.ts";
import { outcomeOf, outcomeOfHeader, type TransactionOutcome } from "./outcome.ts";
import { liveOf } from "./ownership/recovery.ts";

/** How a transaction stands, read from the journal alone: by the one who drives it or by anybody else. */
export function outcomeOfRecord(record: JournalRecord, parts: { readonly clock: Clock; readonly notify: Notify }): TransactionOutcome {
  if (record.entries.length === 0) return outcomeOfHeader(record);
  const live = liveOf(record, parts.clock.nowMs(), parts.notify);
  return live === undefined ? outcomeOfHeader(record) : outcomeOf(record.gid, live.state);
}
