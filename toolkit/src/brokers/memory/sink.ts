import { TripactError, textOf } from "../../protocol/errors.ts";
import { answerFromThrown } from "../../protocol/outcome.ts";
import type { Envelope, Receipt, Sink } from "../broker.ts";

export interface MemorySinkOptions {
  /** Asked for each message before it is taken: throw `Refused` for a no, anything else for an unknown outcome. */
  readonly receive?: (envelope: Envelope) => unknown;
  /** Default 1000. */
  readonly batchMax?: number;
}

export interface MemorySink extends Sink {
  /** What was taken, in this order; a message that came twice is here twice. */
  readonly messages: readonly Envelope[];
}

/** A sink in this process, for tests: it takes messages one by one, in order, and keeps them. */
export function memorySink({ receive, batchMax = 1_000 }: MemorySinkOptions = {}): MemorySink {
  const messages: Envelope[] = [];
  const underWay = new Set<Promise<unknown>>();
  let closed = false;

  const takeOne = async (message: Envelope): Promise<Receipt> => {
    try {
      await receive?.(message);
    } catch (error) {
      return receiptOfThrown(error);
    }
    messages.push(message);
    return { kind: "done" };
  };

  const takeAll = async (given: readonly Envelope[], signal: AbortSignal): Promise<readonly Receipt[]> => {
    const receipts: Receipt[] = [];
    const held = new Set<string>();
    for (const message of given) {
      const place = JSON.stringify([message.topic, message.key]);
      const behind = held.has(place);
      const receipt = behind ? BEHIND : await unlessAborted(signal, () => takeOne(message));
      if (receipt.kind !== "done") held.add(place);
      receipts.push(receipt);
    }
    return receipts;
  };

  return {
    features: { name: "memory", persistent: false, ordered: true, deduplicates: false, batchMax },
    messages,
    async deliver(given, signal) {
      if (given.length > batchMax) throw new TripactError("too-large", `${given.length} messages at once, the limit is ${batchMax}.`, { where: "memory.deliver" });
      if (closed) return given.map(() => ({ kind: "unknown", error: "closed: this sink was closed" }));
      const delivery = takeAll(given, signal);
      underWay.add(delivery);
      try {
        return await delivery;
      } finally {
        underWay.delete(delivery);
      }
    },
    async close() {
      closed = true;
      await Promise.all(underWay);
    },
  };
}

const BEHIND: Receipt = { kind: "unknown", error: "behind: an earlier message of this key was not done" };
const ABORTED: Receipt = { kind: "unknown", error: "aborted: nobody waits for the receipt" };

/** What `take` says, or unknown as soon as `signal` aborts; taking it goes on alone then. */
async function unlessAborted(signal: AbortSignal, take: () => Promise<Receipt>): Promise<Receipt> {
  if (signal.aborted) return ABORTED;
  const { promise, resolve } = Promise.withResolvers<Receipt>();
  const onAbort = (): void => resolve(ABORTED);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([take(), promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function receiptOfThrown(error: unknown): Receipt {
  const answer = answerFromThrown(error);
  switch (answer.kind) {
    case "refused":
      return { kind: "refused", code: answer.code, error: `refused: ${answer.code}` };
    case "key-reused":
      return { kind: "refused", code: "key-reused", error: answer.detail };
    case "pause":
      return { kind: "refused", code: "pause", error: answer.reason };
    case "done":
    case "pending":
    case "unknown":
      return { kind: "unknown", error: textOf(error) };
  }
}
