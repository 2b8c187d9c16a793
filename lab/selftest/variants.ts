/** Every way to build it wrong that the judges must see. */
import type { Variant } from "./variant.ts";
import { absenceReadAsNo } from "./variants/coordinator/absence-read-as-no.ts";
import { compensationSkipped } from "./variants/coordinator/compensation-skipped.ts";
import { infoReadAsFail } from "./variants/coordinator/info-read-as-fail.ts";
import { noFencing } from "./variants/coordinator/no-fencing.ts";
import { ownFlushForeign } from "./variants/coordinator/own-flush-foreign.ts";
import { wallClockLease } from "./variants/coordinator/wall-clock-lease.ts";
import { ackBeforeCommit } from "./variants/messages/ack-before-commit.ts";
import { highWaterMark } from "./variants/messages/high-water-mark.ts";
import { noInbox } from "./variants/messages/no-inbox.ts";
import { notifyOnly } from "./variants/messages/notify-only.ts";
import { barrierApart } from "./variants/participant/barrier-apart.ts";
import { refusalNotRecorded } from "./variants/participant/refusal-not-recorded.ts";
import { tryAfterCancel } from "./variants/participant/try-after-cancel.ts";
import { rawDecr } from "./variants/stock/raw-decr.ts";
import { redisAsLedger } from "./variants/stock/redis-as-ledger.ts";
import { reservationByOwnClock } from "./variants/stock/reservation-by-own-clock.ts";

export const VARIANTS: readonly Variant[] = [
  noInbox, ackBeforeCommit, compensationSkipped, noFencing, highWaterMark, redisAsLedger, rawDecr, wallClockLease, infoReadAsFail, barrierApart, notifyOnly, tryAfterCancel,
  refusalNotRecorded, ownFlushForeign, reservationByOwnClock, absenceReadAsNo,
];
