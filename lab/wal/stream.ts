/** One outbox, read from the database's log: each message with the time of the commit that made it true. */
import { LogicalReplicationService, PgoutputPlugin, type Pgoutput } from "pg-logical-replication";
import { Client } from "pg";
import { Confirmed } from "./confirmed.ts";

export interface Sent {
  readonly outbox: string;
  readonly id: string;
  readonly topic: string;
  /** When the row was written, by the server's clock. */
  readonly writtenMs: number;
  readonly committedMs: number;
}

export interface OutboxStream {
  /** In the order of their commits; only of transactions that have arrived whole. */
  readonly sent: readonly Sent[];
  /** What went wrong with the stream; it is over then. */
  readonly failure: Error | undefined;
  /** Ends the stream, and deletes its slot: one that is left behind keeps the log for ever. */
  stop(): Promise<void>;
}

const NAME = "lab_wal";
const STATEMENT_CAP_MS = 15_000;
const START_CAP_MS = 15_000;
const GONE_CAP_MS = 5_000;
const LOOK_EVERY_MS = 50;
/** Some hundred megabytes. */
const MESSAGES_MAX = 1_000_000;

export async function readOutbox(outbox: string, url: string): Promise<OutboxStream> {
  const slot = `${NAME}_${outbox}`;
  await asking(url, async (client) => {
    await client.query(`create publication ${NAME} for table tripact.outbox with (publish = 'insert', publish_via_partition_root = true)`);
    await client.query("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  });
  const sent: Sent[] = [];
  const service = new LogicalReplicationService(
    { connectionString: url, application_name: NAME },
    // Its own timer confirms what it has received, handled or not.
    { acknowledge: { auto: false, timeoutSeconds: 0 } },
  );
  let failure: Error | undefined;
  const fail = (error: unknown): void => void (failure ??= error instanceof Error ? error : new Error(String(error)));
  hear(service, outbox, sent, fail);
  const stop = async (): Promise<void> => {
    await service.destroy();
    await dropSlot(url, slot);
  };
  const started = new Promise<void>((resolve) => service.once("start", () => resolve()));
  // It resolves when the stream ends.
  const reading = service.subscribe(new PgoutputPlugin({ protoVersion: 1, publicationNames: [NAME] }), slot).then(() => Promise.reject(new Error(`the stream of ${outbox} has ended`)));
  reading.catch(fail);
  try {
    await Promise.race([started, reading, late(START_CAP_MS, outbox)]);
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
  return { sent, stop, get failure() { return failure; } };
}

function hear(service: LogicalReplicationService, outbox: string, sent: Sent[], fail: (error: unknown) => void): void {
  const confirmed = new Confirmed();
  let open: Omit<Sent, "committedMs">[] = [];
  const confirm = (): void => {
    const lsn = confirmed.toAcknowledge;
    if (lsn !== undefined) service.acknowledge(lsn).catch(fail);
  };
  service.on("error", fail);
  service.on("data", (_, message: Pgoutput.Message) => {
    if (message.tag === "begin") open = [];
    if (message.tag === "insert") open.push(writtenIn(outbox, message.new));
    if (message.tag !== "commit") return;
    if (sent.length + open.length > MESSAGES_MAX) {
      fail(new Error(`more than ${MESSAGES_MAX} messages of ${outbox}: a shorter run is needed`));
      return;
    }
    const committedMs = Number(message.commitTime) / 1_000;
    for (const row of open) sent.push({ ...row, committedMs });
    open = [];
    if (message.commitEndLsn !== null) confirmed.transactionHandled(message.commitEndLsn);
    confirm();
  });
  // Whoever does not answer is cut off after `wal_sender_timeout`.
  service.on("heartbeat", (_lsn, _at, wantsAnswer) => {
    if (wantsAnswer) confirm();
  });
}

function writtenIn(outbox: string, row: Readonly<Record<string, unknown>>): Omit<Sent, "committedMs"> {
  const { id, topic, recorded_at: recordedAt } = row;
  if (typeof id !== "string" || typeof topic !== "string" || !(recordedAt instanceof Date)) throw new Error(`a row of the outbox of ${outbox} is not as expected: ${JSON.stringify(row)}`);
  return { outbox, id, topic, writtenMs: recordedAt.getTime() };
}

/** The server may need a moment to see that its reader is gone. */
async function dropSlot(url: string, slot: string): Promise<void> {
  await asking(url, async (client) => {
    const deadline = performance.now() + GONE_CAP_MS;
    for (;;) {
      const { rows } = await client.query<{ active: boolean }>("select active from pg_replication_slots where slot_name = $1", [slot]);
      if (rows[0] === undefined) return;
      if (!rows[0].active || performance.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
    await client.query("select pg_drop_replication_slot($1)", [slot]);
  });
}

export async function asking<T>(url: string, ask: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: STATEMENT_CAP_MS, query_timeout: STATEMENT_CAP_MS });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}

function late(capMs: number, outbox: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`the log of ${outbox} does not stream after ${capMs} ms`)), capMs).unref();
  });
}
