import { alone, sameTransaction } from "../participants/guard.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import type { Envelope } from "../brokers/broker.ts";
import type { Json } from "../protocol/json.ts";

/** A message as it was delivered: an envelope with its payload as JSON text, or as a consumer has already read it. */
export interface Delivered extends Omit<Envelope, "payload"> {
  readonly payload: Json;
}

/**
 * Handles one delivered message in the caller's own open transaction (read committed): whatever it wrote, its answer's messages included,
 * is there if, and only if, the caller commits. When it throws, roll back; the message comes again.
 */
export interface EventHandler {
  (db: SqlExecutor, message: Delivered): Promise<void>;
  /** What to subscribe it to. Other topics of the same choreography are passed over. */
  readonly topics: readonly string[];
}

/**
 * An inbox may stand around a handler, and holds the connection for itself meanwhile; the barrier inside would refuse to be nested. So
 * the handler goes on with a connection object of its own. Two handlers at once on one connection are refused all the same.
 */
export async function handling<T>(db: SqlExecutor, what: string, body: (own: SqlExecutor) => Promise<T>): Promise<T> {
  return alone(db, what, () => body(another(db)), atWork);
}

/** The same connection, for a callback that may itself begin what must not be nested. */
export function another(db: SqlExecutor): SqlExecutor {
  return sameTransaction({ execute: (text, values) => db.execute(text, values) }, db);
}

const atWork = new WeakSet<SqlExecutor>();
