import { randomBytes } from "node:crypto";
import { textOf } from "../../../../protocol/errors.ts";
import type { PgClient, PgResult } from "../../driver.ts";
import { sqlStateOf } from "../../outcome.ts";

/** Why there is no stream. `lasting`: until a person changes something; asked again seldom then. */
export class NoStream extends Error {
  readonly lasting: boolean;

  constructor(detail: string, lasting: boolean) {
    super(detail);
    this.name = "NoStream";
    this.lasting = lasting;
  }
}

export interface Names {
  readonly applicationName: string;
  readonly publication: string;
  /** Of the slot, before the part that makes it one of a kind. */
  readonly slot: string;
}

type Row = Readonly<Record<string, unknown>>;

/** A slot begins where no older transaction runs any more; whoever idles in one may keep us waiting for this long. */
export const SLOT_WITHIN_MS = 30_000;
const LOCK_TIMEOUT_MS = 2_000;

/** The session's own settings; `synchronous_commit`, because a publication that is made here must not wait for a lost standby. */
function settings(senderTimeoutMs: number): string {
  return [
    `set statement_timeout = ${SLOT_WITHIN_MS}`,
    `set lock_timeout = ${LOCK_TIMEOUT_MS}`,
    "set synchronous_commit = local",
    "set client_min_messages = error",
    // A relay that stands still, or whose machine is gone, holds back the log for this long and no longer.
    `set wal_sender_timeout = ${senderTimeoutMs}`,
  ].join("; ");
}

/** Checks the server, makes the publication where it is missing, and a temporary slot. Returns the slot's name. */
export async function prepareSlot(client: PgClient, names: Names, senderTimeoutMs: number): Promise<string> {
  await ask(client, settings(senderTimeoutMs));
  const facts = await one(client, `
select current_setting('wal_level') as wal_level, current_setting('server_version_num')::int as version,
       current_setting('synchronous_standby_names') as standby_names, current_setting('max_replication_slots') as slots`);
  if (facts["wal_level"] !== "logical") throw new NoStream(`The server runs with wal_level = ${String(facts["wal_level"])}. Needed: wal_level = logical, and a restart.`, true);
  const counted = countedAsStandby(String(facts["standby_names"]), names.applicationName);
  if (counted !== undefined) throw new NoStream(counted, true);
  await ensurePublication(client, names.publication, Number(facts["version"]));
  const slot = `${names.slot}_${randomBytes(6).toString("hex")}`;
  try {
    await ask(client, `select pg_create_logical_replication_slot('${slot}', 'pgoutput', true)`);
  } catch (error) {
    throw slotRefused(error, String(facts["slots"]));
  }
  // The stream has no end.
  await ask(client, "set statement_timeout = 0");
  return slot;
}

/**
 * A name that stands for everybody makes this stream a synchronous standby: commits would wait for our word, and have it, and be on no
 * other disk.
 */
export function countedAsStandby(standbyNames: string, applicationName: string): string | undefined {
  if (!standbyNames.includes("*") && !standbyNames.toLowerCase().includes(applicationName.toLowerCase())) return undefined;
  return `The server runs with synchronous_standby_names = ${standbyNames}, which would take the wake-up's stream for a standby. Needed: the standbys by their names in synchronous_standby_names.`;
}

/** What is wrong with the publication, undefined when nothing is. A statement for any session. */
export function publicationStatement(publication: string): string {
  return `
select p.pubinsert as inserts, exists (
         select from pg_publication_tables t
          where t.pubname = p.pubname and t.schemaname = 'tripact' and t.tablename ~ '^outbox(_[0-9][0-9])?$') as covers
  from pg_publication p where p.pubname = '${publication}'`;
}

export function unfitPublication(row: Row | undefined, publication: string): string | undefined {
  if (row !== undefined && row["inserts"] === true && row["covers"] === true) return undefined;
  const state = row === undefined ? "is missing" : "does not publish the inserts into tripact.outbox";
  return `The publication ${publication} ${state}. Needed: ${createStatement(publication, 150_000)} (without "(seq)" before PostgreSQL 15).`;
}

/** Only numbers go over the wire, never a body; version 14 cannot leave columns out. */
function createStatement(publication: string, version: number): string {
  return `create publication ${publication} for table tripact.outbox${version >= 150_000 ? " (seq)" : ""} with (publish = 'insert', publish_via_partition_root = true)`;
}

async function ensurePublication(client: PgClient, publication: string, version: number): Promise<void> {
  const found = async (): Promise<Row | undefined> => (await ask(client, publicationStatement(publication))).rows[0];
  let row = await found();
  if (row === undefined) {
    try {
      await ask(client, createStatement(publication, version));
    } catch {
      // Not our right, or another relay was faster: the next look tells.
    }
    row = await found();
  }
  const unfit = unfitPublication(row, publication);
  if (unfit !== undefined) throw new NoStream(unfit, true);
}

/** What the server's refusal of the session as such means. */
export function sessionRefused(error: unknown): NoStream {
  if (error instanceof NoStream) return error;
  const text = textOf(error);
  const state = sqlStateOf(error);
  if (state === "42501") return new NoStream(`This role may not stream the write-ahead log (${text}). Needed: alter role … replication.`, true);
  if (state === "53300" && text.includes("max_wal_senders")) return new NoStream(`No sender is free (${text}). Needed: a higher max_wal_senders, and a restart.`, true);
  // A rule in pg_hba.conf, a wrong password.
  return new NoStream(`No stream of the write-ahead log: ${text}.`, state?.startsWith("28") ?? false);
}

function slotRefused(error: unknown, slots: string): NoStream {
  const state = sqlStateOf(error);
  if (state === "53400") return new NoStream(`No replication slot is free (max_replication_slots = ${slots}). Needed: a higher max_replication_slots, and a restart, or to drop a slot that nobody uses.`, true);
  if (state === "57014") return new NoStream(`A transaction that is open for longer than ${SLOT_WITHIN_MS / 1_000} s keeps the stream from beginning. Needed: its end (pg_stat_activity, idle_in_transaction_session_timeout).`, true);
  return sessionRefused(error);
}

// Without values: a session for replication knows the simple protocol only.
async function ask(client: PgClient, text: string): Promise<PgResult> {
  return client.query({ text });
}

async function one(client: PgClient, text: string): Promise<Row> {
  return (await ask(client, text)).rows[0] ?? {};
}
