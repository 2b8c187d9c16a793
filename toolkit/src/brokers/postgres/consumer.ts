import { textOf, TripactError } from "../../protocol/errors.ts";
import type { Json } from "../../protocol/json.ts";
import { Refused } from "../../protocol/outcome.ts";
import { postgresInbox, type Inbox } from "../../participants/inbox.ts";
import { pgTransactions, type OpenTransaction, type PgPool } from "../../participants/transaction.ts";
import type { SqlExecutor } from "../../stores/sql.ts";
import type { Envelope, Receipt, Sink, SinkFeatures } from "../broker.ts";
import { Deliveries } from "./deliveries.ts";

/** A message as a consumer's function gets it. */
export interface Received extends Omit<Envelope, "payload"> {
  readonly payload: Json;
}

export interface ConsumerOptions {
  /** Whose deliveries the inbox remembers: one name per consumer and database. */
  readonly name: string;
  /** The consumer's own database, where `migrateBarrier` has been: a `pg` pool, or whatever opens a transaction at read committed. */
  readonly database: PgPool | OpenTransaction;
  /** One message after another, each once. `throw new Refused(code)` is an answered no: it parks. */
  readonly handle?: (db: SqlExecutor, message: Received) => Promise<unknown>;
  /** Or all of a batch at once, in order: for who can do them in one statement. */
  readonly handleBatch?: (db: SqlExecutor, messages: readonly Received[]) => Promise<unknown>;
  /** Messages a transaction. Default 500. */
  readonly batchMax?: number;
  readonly inbox?: Inbox;
}

/**
 * A consumer with a Postgres of its own: the effect and the inbox's row are one commit, so that each message counts once however often it is
 * delivered. A batch is one transaction; when it fails, its messages are tried one by one, so that one bad message harms only its key.
 */
export function postgresConsumer(options: ConsumerOptions): Sink {
  const { name, database, handle, handleBatch, batchMax = 500, inbox = postgresInbox() } = options;
  if ((handle === undefined) === (handleBatch === undefined)) throw new TripactError("invalid-option", "A consumer has either handle or handleBatch.", { where: name });
  const open = typeof database === "function" ? database : pgTransactions(database);
  const each = async (db: SqlExecutor, messages: readonly Received[]): Promise<void> => {
    if (handleBatch !== undefined) await handleBatch(db, messages);
    else for (const message of messages) await handle?.(db, message);
  };
  return new PostgresConsumer({ name, open, inbox, handle: each, batchMax });
}

interface Parts {
  readonly name: string;
  readonly open: OpenTransaction;
  readonly inbox: Inbox;
  readonly handle: (db: SqlExecutor, messages: readonly Received[]) => Promise<void>;
  readonly batchMax: number;
}

class PostgresConsumer implements Sink {
  readonly features: SinkFeatures;
  readonly #parts: Parts;
  readonly #deliveries: Deliveries;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#deliveries = new Deliveries(parts.name, parts.batchMax);
    this.features = { name: `postgres consumer ${parts.name}`, persistent: true, ordered: true, deduplicates: true, batchMax: parts.batchMax };
  }

  deliver(messages: readonly Envelope[], signal: AbortSignal): Promise<readonly Receipt[]> {
    return this.#deliveries.run(messages, signal, () => this.#commitAll(messages, signal));
  }

  /** The database is its owner's. */
  close(): Promise<void> {
    return this.#deliveries.close();
  }

  async #commitAll(messages: readonly Envelope[], signal: AbortSignal): Promise<readonly Receipt[]> {
    const whole = await this.#commit(messages);
    if (whole.kind === "done" || messages.length === 1) return messages.map(() => whole);
    const receipts: Receipt[] = [];
    const failed = new Set<string>();
    for (const message of messages) {
      const key = `${message.topic}\0${message.key}`;
      const receipt: Receipt = signal.aborted ? unknown("called off") : failed.has(key) ? unknown("behind one of its key that failed") : await this.#commit([message]);
      if (receipt.kind !== "done") failed.add(key);
      receipts.push(receipt);
    }
    return receipts;
  }

  async #commit(messages: readonly Envelope[]): Promise<Receipt> {
    const { open, inbox, name, handle } = this.#parts;
    try {
      await open(async (db) => {
        const first = await inbox.first(db, name, messages);
        const fresh = messages.filter((_, index) => first[index] === true);
        if (fresh.length > 0) await handle(db, fresh.map((message) => ({ ...message, payload: JSON.parse(message.payload) as Json })));
      });
      return { kind: "done" };
    } catch (error) {
      if (error instanceof Refused) return { kind: "refused", code: error.code, error: error.details === undefined ? error.message : JSON.stringify(error.details) };
      return unknown(textOf(error));
    }
  }
}

function unknown(error: string): Receipt {
  return { kind: "unknown", error };
}
