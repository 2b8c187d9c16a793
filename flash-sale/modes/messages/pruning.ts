/** Rows that only remember are let go of, now and then: inbox, barrier and the like grow with every purchase. */
import { postgresBarrier, postgresInbox, type OpenTransaction, type SqlExecutor } from "tripact/barrier";

/** Deletes up to `limit` rows and returns how many went. */
export type Prune = (db: SqlExecutor, limit: number) => Promise<number>;

const EVERY_MS = 60_000;
const LIMIT = 1_000;
/** So that one round ends; the rest goes in the next. */
const PAGES_MAX = 100;

const inbox = postgresInbox();
const barrier = postgresBarrier();
export const pruneInbox: Prune = (db, limit) => inbox.prune(db, { limit });
export const pruneBarrier: Prune = (db, limit) => barrier.prune(db, { limit });

/** Each page in a transaction of its own. A round that fails is told, and comes again. Returns how it is stopped: that waits for the page under way. */
export function pruning(
  open: OpenTransaction,
  prunes: readonly Prune[],
  { onError, everyMs = EVERY_MS }: { readonly onError: (error: unknown) => void; readonly everyMs?: number },
): () => Promise<void> {
  let stopped = false;
  let round: Promise<void> | undefined;
  const timer = setInterval(() => {
    round ??= pruneAll()
      .catch((error: unknown) => onError(new Error("pruning failed; it comes again", { cause: error })))
      .finally(() => void (round = undefined));
  }, everyMs);
  timer.unref();

  async function pruneAll(): Promise<void> {
    for (const prune of prunes) {
      for (let page = 0; page < PAGES_MAX && !stopped; page += 1) {
        if ((await open((db) => prune(db, LIMIT))) < LIMIT) break;
      }
    }
  }

  return async () => {
    stopped = true;
    clearInterval(timer);
    await round;
  };
}
