import type { OutboxLog } from "../stores/outbox-log.ts";
import { postgresOutboxLog } from "../stores/postgres/outbox/log.ts";
import { usageError, type Args, type Io } from "./command.ts";
import { urlOf, withRights } from "./store.ts";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Connects to the outbox, works, and closes, whatever happens. Nothing is delivered here. */
export async function withLog<T>(args: Args, io: Io, work: (log: OutboxLog) => Promise<T>): Promise<T> {
  const url = urlOf(args, io);
  const log = postgresOutboxLog({ url, applicationName: "tripact cli" });
  try {
    await log.connect();
    return await work(log);
  } catch (error) {
    throw withRights(error, url);
  } finally {
    await log.close();
  }
}

/** A message's id as the log has it. */
export function messageId(text: string | undefined): string {
  if (text !== undefined && ID.test(text)) return text.toLowerCase();
  throw usageError(`a message's id is a UUID, not ${text ?? "nothing"}`);
}
