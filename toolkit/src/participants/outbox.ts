/**
 * The outbox's sending side: messages are rows, written in the caller's own transaction, so that they are sent if and only if it
 * commits. A relay delivers them afterwards.
 *
 *     await transaction(async (db) => {
 *       await orders.insert(db, order);
 *       await send(db, { topic: "order.placed", key: order.id, payload: { id: order.id } });
 *     });
 *
 * One statement a call; send many at once. Messages of one key keep the order of their `send`s for writers that serialise on what
 * the key names (usually the row that they lock anyway). The table comes with the store's migrations, in the sender's own database.
 */
import { TripactError } from "../protocol/errors.ts";
import { encodeInput } from "../protocol/json.ts";
import type { Jsonable } from "../protocol/json.ts";
import type { SqlExecutor } from "../stores/sql.ts";
import { sqlStateOf } from "./guard.ts";
import { uuidV7 } from "./uuid-v7.ts";

export type { SqlExecutor, SqlResult } from "../stores/sql.ts";

export interface Message<P> {
  /** 1 to 255 characters. */
  readonly topic: string;
  /** What the message is about: messages of one topic and key stay in order. 1 to 512 characters. */
  readonly key: string;
  /** JSON; refused if it would not survive. */
  readonly payload: P & Jsonable<P>;
  /** Text values, at most 16 KiB together. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SendOptions {
  /**
   * What the commit has to promise: `strict` (default) a crash and restart, `replicated` the loss of the primary. Refused with
   * `durability-refused` where the transaction's settings promise less.
   */
  readonly durability?: "strict" | "replicated";
  /** Per payload, as JSON. Default 1 MiB. */
  readonly payloadBytesMax?: number;
}

const MESSAGES_MAX = 10_000;
const TOPIC_LENGTH_MAX = 255;
const KEY_LENGTH_MAX = 512;
const HEADERS_BYTES_MAX = 16_384;

/**
 * Writes one message or up to 10,000, in their order, inside the transaction that `db` stands for. Returns their ids (UUIDv7): one for
 * one, a list for a list. Outside a transaction the statement is its own: the message is then sent whatever becomes of the work
 * around it.
 *
 * Throws before anything is written: `invalid-input`, `too-large`, `durability-refused`, `outbox-misuse` (the transaction has failed, or
 * only reads), `schema-mismatch` (no outbox in this database). The setting is read by the very statement that
 * writes; who lowers `synchronous_commit` afterwards, in the same transaction, lowers the promise unseen.
 */
export function send<P>(db: SqlExecutor, message: Message<P>, options?: SendOptions): Promise<string>;
export function send<Payloads extends readonly unknown[]>(
  db: SqlExecutor,
  messages: { readonly [Index in keyof Payloads]: Message<Payloads[Index]> },
  options?: SendOptions,
): Promise<readonly string[]>;
export async function send(
  db: SqlExecutor,
  given: Message<unknown> | readonly Message<unknown>[],
  options: SendOptions = {},
): Promise<string | readonly string[]> {
  const many = isMany(given);
  const messages = many ? given : [given];
  if (messages.length > MESSAGES_MAX) throw invalid(`At most ${MESSAGES_MAX} messages a call, not ${messages.length}`, "messages");
  const rows = messages.map((message, index) => encode(message, many ? `messages[${index}]` : "message", options));
  if (typeof db?.execute !== "function") throw invalid("A transaction to write in, { execute(text, values) }, is needed here", "db");
  if (rows.length > 0) await told(() => insert(db, rows, options.durability ?? "strict"));
  const ids = rows.map(({ id }) => id);
  return many ? ids : String(ids[0]);
}

interface Row {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly payload: string;
  readonly headers: string;
}

async function insert(db: SqlExecutor, messages: readonly Row[], durability: "strict" | "replicated"): Promise<void> {
  const accepted = acceptedSettings[durability];
  const { rows } = await db.execute(
    `with promise as (
       select current_setting('synchronous_commit') as commits, current_setting('synchronous_standby_names') as standbys
     ), sent as (
       insert into tripact.outbox (id, topic, key, payload, headers)
       select m.id, m.topic, m.key, m.payload, m.headers
       from promise, unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
         with ordinality as m (id, topic, key, payload, headers, n)
       where promise.commits = any ($6::text[]) and (promise.standbys <> '' or not $7::boolean)
       order by m.n
       returning 1
     )
     select commits, standbys, (select count(*)::int from sent) as sent from promise`,
    [
      messages.map(({ id }) => id),
      messages.map(({ topic }) => topic),
      messages.map(({ key }) => key),
      messages.map(({ payload }) => payload),
      messages.map(({ headers }) => headers),
      accepted,
      durability === "replicated",
    ],
  );
  const promise = rows[0];
  if (promise?.sent === messages.length) return;
  const [setting, value] = accepted.includes(String(promise?.commits))
    ? ["synchronous_standby_names", promise?.standbys]
    : ["synchronous_commit", promise?.commits];
  throw new TripactError("durability-refused", `${setting} is '${String(value)}' in this transaction, too little for durability "${durability}".`, {
    where: "outbox.send",
    hint: setting === "synchronous_commit" ? `Needs one of: ${accepted.join(", ")}.` : "Needs a synchronous standby.",
  });
}

/** Says what is wrong with the transaction, where it is the transaction. */
async function told(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    switch (sqlStateOf(error)) {
      case "25P02":
        throw new TripactError("outbox-misuse", "outbox.send met a transaction in which a statement had failed.", { hint: "Let the first error through, and roll back.", cause: error });
      case "25006":
        throw new TripactError("outbox-misuse", "outbox.send met a transaction or server that only reads.", { hint: "Messages are written: send in a transaction that writes, on the primary.", cause: error });
      case "42P01":
      case "3F000":
      case "42703":
        throw new TripactError("schema-mismatch", "This database has no outbox, or another version's.", { where: "outbox.send", hint: "Is it the sender's own database? Run `npx tripact migrate` there.", cause: error });
      default:
        throw error;
    }
  }
}

/** `local` and `remote_write` flush here, but do not wait until the standby has flushed. */
const acceptedSettings: Readonly<Record<"strict" | "replicated", readonly string[]>> = {
  strict: ["on", "remote_apply", "remote_write", "local"],
  replicated: ["on", "remote_apply"],
};

function encode(message: Message<unknown>, where: string, { payloadBytesMax }: SendOptions): Row {
  const { topic, key, payload, headers = {} } = message;
  checkText(topic, TOPIC_LENGTH_MAX, `${where}.topic`);
  checkText(key, KEY_LENGTH_MAX, `${where}.key`);
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== "string") throw invalid("A header's value is text", `${where}.headers.${name}`);
  }
  return {
    id: uuidV7(),
    topic,
    key,
    payload: encodeInput(payload, `${where}.payload`, payloadBytesMax),
    headers: encodeInput(headers, `${where}.headers`, HEADERS_BYTES_MAX),
  };
}

function checkText(value: unknown, lengthMax: number, where: string): void {
  if (typeof value === "string" && value.length > 0 && value.length <= lengthMax && !/[\p{Cc}\p{Cs}]/u.test(value)) return;
  throw invalid(`Text of 1 to ${lengthMax} characters, without control characters, is needed here`, where);
}

function invalid(what: string, where: string): TripactError {
  return new TripactError("invalid-input", `${what}.`, { where });
}

function isMany(given: Message<unknown> | readonly Message<unknown>[]): given is readonly Message<unknown>[] {
  return Array.isArray(given);
}
