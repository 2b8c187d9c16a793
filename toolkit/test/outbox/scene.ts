import assert from "node:assert/strict";
import { Client } from "pg";
import type { Envelope, Receipt, Sink } from "../../src/brokers/broker.ts";
import { send } from "../../src/participants/outbox.ts";

export interface Writer {
  readonly client: Client;
  begin(): Promise<void>;
  /** `key:payload` each, in the open transaction, or in one of its own. */
  send(topic: string, ...messages: readonly string[]): Promise<readonly string[]>;
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
  end(): Promise<void>;
}

/** One connection of a business, whose transactions a test holds open as it likes. */
export async function openWriter(url: string): Promise<Writer> {
  const client = new Client({ connectionString: url });
  // A server that is killed under it is what some tests are about.
  client.on("error", () => {});
  await client.connect();
  const query: Writer["query"] = async (text, values = []) => (await client.query<Record<string, unknown>>(text, [...values])).rows;
  return {
    client,
    query,
    begin: async () => void (await query("begin")),
    send: (topic, ...messages) =>
      send(
        { execute: (text, values) => client.query(text, [...(values ?? [])]) },
        messages.map((message) => ({ topic, key: message.split(":")[0] ?? "", payload: message.split(":")[1] ?? "" })),
      ),
    commit: async () => void (await query("commit")),
    rollback: async () => void (await query("rollback")),
    end: () => client.end(),
  };
}

/** `key:payload`, whatever the payload is. */
export function said({ key, payload }: { readonly key: string; readonly payload: string }): string {
  const value: unknown = JSON.parse(payload);
  return `${key}:${typeof value === "string" ? value : payload}`;
}

export interface ToldSink extends Sink {
  /** What was asked, and what was done, in order. */
  readonly asked: string[];
  readonly done: string[];
  answer: (message: Envelope) => Receipt | Promise<Receipt>;
}

/** A sink that does one message at a time and says what the test tells it to. */
export function toldSink(): ToldSink {
  const sink: ToldSink = {
    features: { name: "told", persistent: false, ordered: false, deduplicates: false, batchMax: 1 },
    asked: [],
    done: [],
    answer: () => ({ kind: "done" }),
    async deliver(messages) {
      const receipts: Receipt[] = [];
      for (const message of messages) {
        sink.asked.push(said(message));
        const receipt = await sink.answer(message);
        if (receipt.kind === "done") sink.done.push(said(message));
        receipts.push(receipt);
      }
      return receipts;
    },
    close: async () => {},
  };
  return sink;
}

export async function eventually(what: string, holds: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (!(await holds())) {
    assert.ok(performance.now() < untilMs, `within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
