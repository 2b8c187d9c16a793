/** When a message had its effect: the commit of the consumer's transaction, in which the inbox has its row. */
import { asking, type Sent } from "./stream.ts";

export interface Applied {
  readonly outbox: string;
  readonly id: string;
  readonly consumer: string;
  readonly appliedMs: number;
}

/** `track_commit_timestamp` must have been on when they were applied. Inboxes name the outbox that a message is from as its source. */
export async function appliedIn(url: string): Promise<readonly Applied[]> {
  return asking(url, async (client) => {
    const { rows } = await client.query<{ source: string; id: string; consumer: string; ms: string | null }>(
      "select source, id, consumer, extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000 as ms from tripact.inbox",
    );
    return rows.map(({ source, id, consumer, ms }) => {
      if (ms === null) throw new Error(`the server no longer knows, or never kept, when ${consumer} committed message ${id} of ${source}`);
      return { outbox: source, id, consumer, appliedMs: Number(ms) };
    });
  });
}

/** Needs a restart of the server, so before anybody uses it. */
export const TRACKING = "alter system set track_commit_timestamp = on";

/** One message on its way: both ends by one server's clock. */
export interface Delivered {
  readonly outbox: string;
  readonly consumer: string;
  readonly writtenMs: number;
  readonly committedMs: number;
  readonly appliedMs: number;
}

export interface Joined {
  readonly delivered: readonly Delivered[];
  /** Sent, and applied by nobody. */
  readonly missing: readonly Sent[];
  /** Applied, but never seen in the log. */
  readonly unseen: readonly Applied[];
}

/** By outbox and id. A message with two consumers counts for each. */
export function join(sent: readonly Sent[], applied: readonly Applied[]): Joined {
  const keyOf = ({ outbox, id }: { readonly outbox: string; readonly id: string }): string => `${outbox} ${id}`;
  const byKey = new Map(sent.map((one) => [keyOf(one), one]));
  const arrived = new Set(applied.map(keyOf));
  return {
    delivered: applied.flatMap((one) => {
      const from = byKey.get(keyOf(one));
      return from === undefined ? [] : [{ outbox: one.outbox, consumer: one.consumer, writtenMs: from.writtenMs, committedMs: from.committedMs, appliedMs: one.appliedMs }];
    }),
    missing: sent.filter((one) => !arrived.has(keyOf(one))),
    unseen: applied.filter((one) => !byKey.has(keyOf(one))),
  };
}
