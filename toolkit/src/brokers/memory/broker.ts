import { textOf, TripactError } from "../../protocol/errors.ts";
import type { OutboxLog } from "../../stores/outbox-log.ts";
import type { OutboxMessage } from "../../stores/store.ts";
import { ORIGIN, type Broker, type Envelope, type Receipt } from "../broker.ts";

export interface MemoryBrokerOptions {
  /** Where messages are kept: a `MemoryDatabase`. */
  readonly database: { send(messages: readonly OutboxMessage[]): void };
  /** The same database's log, which subscriptions read: `memoryOutboxLog(database)`. */
  readonly log: OutboxLog;
  /** Default 1000. */
  readonly batchMax?: number;
}

/** A broker in this process, for tests: it keeps each message once, in the order in which it came, and named subscriptions read them. */
export function memoryBroker({ database, log, batchMax = 1_000 }: MemoryBrokerOptions): Broker {
  const known = new Set<string>();
  let closed = false;
  const deliver = (messages: readonly Envelope[]): readonly Receipt[] => {
    const fresh = messages.filter(({ source, id }, index) => !known.has(nameOf(source, id)) && messages.findIndex((it) => it.source === source && it.id === id) === index);
    database.send(fresh.map(({ id, topic, key, payload, headers, source }) => ({ id, topic, key, payload, headers: JSON.stringify({ ...headers, [ORIGIN]: source }) })));
    for (const { source, id } of fresh) known.add(nameOf(source, id));
    log.announce();
    return messages.map(() => ({ kind: "done" }));
  };
  return {
    features: { name: "memory broker", persistent: false, ordered: true, deduplicates: true, batchMax },
    log,
    async deliver(messages, signal) {
      if (messages.length > batchMax) throw new TripactError("too-large", `${messages.length} messages at once, the limit is ${batchMax}.`, { where: "memory.deliver" });
      const unknown = (error: string): readonly Receipt[] => messages.map(() => ({ kind: "unknown", error }));
      if (closed) return unknown("closed: this broker was closed");
      if (signal.aborted) return unknown("aborted: nobody waits for the receipt");
      try {
        return deliver(messages);
      } catch (error) {
        return unknown(textOf(error));
      }
    },
    async close() {
      closed = true;
      await log.close();
    },
  };
}

function nameOf(source: string, id: string): string {
  return JSON.stringify([source, id]);
}
