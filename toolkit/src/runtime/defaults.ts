import type { RetryPolicy } from "../protocol/retry.ts";
import { DEFAULT_PAYLOAD_BYTES_MAX } from "../protocol/json.ts";

/** Every default of the runtime, each with the reason for its value. All times in milliseconds. */
export const DEFAULTS = {
  /** 50 ms: a service that restarts is asked again within a heartbeat of it; factor 2 and a cap of 5 s bound the load of an outage. */
  retry: { baseMs: 50, factor: 2, capMs: 5_000, maxAttempts: 5 } satisfies RetryPolicy,
  /** Longer than a busy local call, shorter than a buyer's patience. */
  opTimeoutMs: 2_000,
  /** A commit is journaled only this long before a reservation expires: time for a confirm and one repetition. */
  expiryMarginMs: 4_000,
  /** 24 h: an hour's clock jump is harmless, and no barrier keeps rows for ever. */
  callLifeMs: 86_400_000,
  /** A process that dies is seen within 25 ms + the lock's fall (3 to 5 ms). */
  probeEveryMs: 25,
  /**
   * A pause or a partition keeps the lock: the counter must stand still this long on the observer's own clock. The store is told, and
   * gives up on a silent server by it: see `silenceMs` in `stores/postgres/membership.ts`.
   */
  leaseMs: 3_000,
  /** Four chances to be seen alive within a lease. */
  beatEveryMs: 750,
  /** After an observer's own reconnect, a free lock proves nothing for this long: everybody's lock fell with the server. */
  graceMs: 500,
  /** Safety net under the announcements: unread mail and orphans are looked for this often at least. */
  pollEveryMs: 1_000,
  /** Between two looks at a transaction that another node drives. */
  attachPollMs: 50,
  /** More open transactions than this on one node, and new work is refused. */
  openMax: 20_000,
  /** Rows in one flush: beyond some hundreds a statement gains nothing and delays its first row. */
  batchMax: 1_000,
  /** Characters in one statement, well below what a server or a string can hold; a row that is larger goes alone. */
  batchBytesMax: 16_777_216,
  /**
   * A second flush is made up and queued while the first is out, but only one of so many rows: at 500 in flight Node and the database
   * then work at the same time (× 1.2), at 50 two half flushes cost more than a full one (a flush costs 0.27 ms before its first row).
   */
  flushesMax: 2,
  overlapFrom: 100,
  /**
   * An answer from behind a barrier that nothing follows from yet goes with the transaction's next entry, at the latest after so long: a crash
   * in between asks once more. Longer than three participants beside each other usually take, shorter than anybody who looks on notices.
   */
  answerWaitsMs: 50,
  /** A takeover is claimed in slices, so that no claim locks the journal for long. */
  claimSlice: 500,
  /** Retry hint in `overloaded`. */
  overloadedRetryMs: 200,
  /** Calls in flight to one participant: a slow one must not fill every slot. */
  participantLimit: 500,
  /** Unknown ends in a row after which a participant gets a pause, and how long at most: a quarter of the time that it has been down. A pause spends no attempts. */
  breakerAfter: 20,
  breakerPauseMs: 1_000,
  /** What retention no longer asks for is deleted in batches of this size, so that no deletion holds anybody up. */
  pruneBatch: 1_000,
  pruneEveryMs: 60_000,
  /** Ended transactions are told to participants in batches of this size, or after this time. */
  forgetBatch: 500,
  forgetEveryMs: 10_000,
  payloadBytesMax: DEFAULT_PAYLOAD_BYTES_MAX,
  /** How long `stop()` lets calls in flight end before it hands over. */
  stopWithinMs: 5_000,
  /** Before a batch whose fate is unknown is written again. */
  flushRetryMs: 50,
} as const;

/**
 * How long things are remembered. They depend on each other and are checked against each other at start: a repeated call must find its
 * barrier row, and a repeated start its gid.
 */
export const RETENTION = {
  /** Entries of ended transactions: the audit trail. */
  entriesMs: 30 * 86_400_000,
  /** (gid, hash, outcome) of ended transactions: longer than any client retries. */
  headersMs: 90 * 86_400_000,
  /** Barrier rows go only this long after the coordinator's `forget`: twice a call's life. */
  barrierMs: 2 * 86_400_000,
} as const;
