import type { DeliveryRow, MessageRow } from "../checker.ts";
import { checkingWherever, type Findings } from "../findings.ts";

/**
 * For each consumer, and each topic of which it has taken in anything: every message of it that was committed is taken in once, and those
 * of one key in the order in which they were written; and nothing is taken in that was never committed. Who writes holds the key's row,
 * so the order of the numbers is the order of the commits. A topic of which nobody has taken in anything is nobody's, and noted.
 */
export const outboxDelivery = checkingWherever("outbox-delivery", ["messages", "deliveries"], ({ messages, deliveries }, findings) => {
  const messageOf = new Map(messages.map((message) => [message.id, message]));
  const taken = Map.groupBy(deliveries, consumerOf);
  const consumersOf = new Map<string, Set<string>>();
  for (const delivery of deliveries) {
    const message = messageOf.get(delivery.id);
    if (message === undefined) continue;
    const consumers = consumersOf.get(topicOf(message)) ?? new Set();
    consumersOf.set(topicOf(message), consumers.add(consumerOf(delivery)));
  }
  for (const [topic, own] of Map.groupBy(messages, topicOf)) {
    const consumers = consumersOf.get(topic);
    if (consumers === undefined) findings.note("takenInByNobody", own.length);
    for (const consumer of consumers ?? []) judgeTopic(consumer, own, taken.get(consumer) ?? [], findings);
  }
  judgeUnwritten(messageOf, deliveries, findings);
});

const consumerOf = ({ database, consumer }: DeliveryRow): string => `${consumer} in ${database}`;
const topicOf = ({ database, topic }: MessageRow): string => `${database}: ${topic}`;

function judgeTopic(consumer: string, messages: readonly MessageRow[], deliveries: readonly DeliveryRow[], findings: Findings): void {
  const takenIn = Map.groupBy(deliveries, ({ id }) => id);
  for (const [key, ofKey] of Map.groupBy(messages, (message) => message.key)) {
    let last: { readonly seq: number; readonly transactionId: number } | undefined;
    for (const { seq, id, topic, setAside } of ofKey.toSorted((one, other) => one.seq - other.seq)) {
      findings.looked();
      const [first, second] = takenIn.get(id) ?? [];
      if (second !== undefined) findings.add({ kind: "twice", key, detail: `${consumer} has taken in ${topic} ${id} more than once` });
      // It waits, or a person decides; who does not end with it, says so elsewhere.
      if (setAside) findings.note("setAside", 1);
      else if (first === undefined) findings.add({ kind: "lost", key, detail: `${consumer} has not taken in ${topic} ${id}` });
      if (first === undefined || setAside) continue;
      if (last !== undefined && first.transactionId < last.transactionId) findings.add({ kind: "out-of-order", key, detail: `${consumer} has taken in message ${seq} before message ${last.seq}` });
      last = { seq, transactionId: first.transactionId };
    }
  }
}

/**
 * What is older than all that its outbox still holds may have been emptied there; for what is younger there is no such excuse. Which outbox
 * a source is, its other messages say.
 */
function judgeUnwritten(messageOf: ReadonlyMap<string, MessageRow>, deliveries: readonly DeliveryRow[], findings: Findings): void {
  const oldestMs = new Map<string, number>();
  for (const { id, database } of messageOf.values()) oldestMs.set(database, Math.min(oldestMs.get(database) ?? Infinity, writtenAtMs(id) ?? Infinity));
  const databaseOf = new Map(deliveries.flatMap(({ source, id }) => {
    const database = messageOf.get(id)?.database;
    return database === undefined ? [] : [[source, database] as const];
  }));
  for (const delivery of deliveries) {
    const { source, id } = delivery;
    if (messageOf.has(id)) continue;
    const [atMs, sinceMs] = [writtenAtMs(id), oldestMs.get(databaseOf.get(source) ?? "")];
    if (atMs === undefined || sinceMs === undefined || atMs <= sinceMs) findings.note("perhapsEmptied", 1);
    else findings.add({ kind: "never-written", key: id, detail: `${consumerOf(delivery)} has taken it in from ${source}, and no outbox has it` });
  }
}

/** A UUID of version 7 begins with the milliseconds of its making. */
function writtenAtMs(id: string): number | undefined {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined;
}
