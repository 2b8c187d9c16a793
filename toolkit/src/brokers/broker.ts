import type { Receipt } from "../protocol/message.ts";
import type { OutboxLog } from "../stores/outbox-log.ts";

export type { Receipt } from "../protocol/message.ts";

/**
 * Where messages go. A relay hands committed messages of an outbox to a `Sink`; a `Broker` is a sink that others can subscribe to.
 *
 * A sink answers for each message, in the order in which they were given, and never throws for what a receiver does: `done`, `refused`
 * (an answered no: poison, it parks) or `unknown` (tried again under the same id). A receipt is `done` only when the receiver has what it
 * was given, to the durability that `features` declares: acknowledged before that, a crash loses the message.
 */
export interface Sink {
  readonly features: SinkFeatures;
  /** At most `features.batchMax` messages. Aborted when nobody waits for the receipts any more. */
  deliver(messages: readonly Envelope[], signal: AbortSignal): Promise<readonly Receipt[]>;
  /** Finishes what is in flight and lets go of connections. Twice without harm. */
  close(): Promise<void>;
}

/** What a sink can and cannot promise, as data: the relay keeps to it, and people can compare. */
export interface SinkFeatures {
  readonly name: string;
  /** A receipt `done` survives a crash of the receiver. */
  readonly persistent: boolean;
  /** Keeps messages of one key in the order of one `deliver`, and does not go on with a key after one that was not done: several of a key may then travel together. */
  readonly ordered: boolean;
  /** The same id twice is applied once, by the sink itself. Else that is the receiver's task: see the inbox. */
  readonly deduplicates: boolean;
  readonly batchMax: number;
}

/** A message on its way: CloudEvents 1.0 by meaning (`source`, `id`, `type` = topic, `subject` = key), whatever the wire looks like. */
export interface Envelope {
  /** UUIDv7, the same for every delivery. */
  readonly id: string;
  /** Whose outbox it came from: (source, id) names a message everywhere. */
  readonly source: string;
  readonly topic: string;
  readonly key: string;
  /** JSON text. */
  readonly payload: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Unix milliseconds, when it was written. */
  readonly recordedAtMs: number;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** A sink whose messages named subscriptions read from its log, each at its own pace. `createRelay` runs them. */
export interface Broker extends Sink {
  readonly log: OutboxLog;
}

/** A header of a message that a broker passes on: whose outbox it came from first. */
export const ORIGIN = "tripact-source";
