/** Several receivers that stand for each other, as the purchase workers do: whatever one of them does not answer, the next one is asked. */
import type { Envelope, Receipt, Sink, SinkFeatures } from "tripact/relay";
import { Turns } from "../../service/turns.ts";

/**
 * Delivers through one of `sinks`, by turns, and what is `unknown` there through the others. That one may be at it still, so the receivers
 * have to share an inbox. An answer is an answer, whoever gave it: `refused` is not asked again.
 *
 * All `sinks` are closed with it. Throws for an empty list.
 * @param clock a steady one, in milliseconds
 */
export function eitherOf(sinks: readonly Sink[], clock?: () => number): Sink {
  if (sinks.length === 0) throw new RangeError("eitherOf needs at least one sink");
  const turns = new Turns(sinks.length, clock);
  return {
    features: featuresOf(sinks),
    async deliver(messages, signal) {
      const receipts: Receipt[] = messages.map(() => ({ kind: "unknown", error: "nobody was asked" }));
      let left: readonly number[] = [...messages.keys()];
      if (left.length === 0 || signal.aborted) return receipts;
      // A sink has a limit of its own; ours is only the shorter one, of a trial.
      for (const { index, timeoutMs, answered, silent } of turns.of(Infinity)) {
        const sink = sinks[index];
        if (sink === undefined) continue;
        left = await deliverThrough(sink, { messages, left, receipts }, timeoutMs === Infinity ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
        if (left.length === 0) {
          answered();
          break;
        }
        silent();
        if (signal.aborted) break;
      }
      return receipts;
    },
    async close() {
      await Promise.all(sinks.map((sink) => sink.close()));
    },
  };
}

interface Batch {
  readonly messages: readonly Envelope[];
  /** What nobody has answered yet, by its place. */
  readonly left: readonly number[];
  readonly receipts: Receipt[];
}

/** Fills in the receipts and returns what is still unknown. */
async function deliverThrough(sink: Sink, { messages, left, receipts }: Batch, signal: AbortSignal): Promise<readonly number[]> {
  const asked = left.flatMap((place) => messages[place] ?? []);
  const answers = await sink.deliver(asked, signal);
  return left.filter((place, n) => {
    const receipt = answers[n];
    if (receipt !== undefined) receipts[place] = receipt;
    return receipt === undefined || receipt.kind === "unknown";
  });
}

/** Only what is true whichever of them takes a message. */
function featuresOf(sinks: readonly Sink[]): SinkFeatures {
  const all = sinks.map(({ features }) => features);
  const alone = all.length === 1;
  return {
    name: `either of ${all.map(({ name }) => name).join(", ")}`,
    persistent: all.every(({ persistent }) => persistent),
    // The first one may still be at an earlier message of a key while the second one takes the next.
    ordered: alone && all.every(({ ordered }) => ordered),
    // Each knows only what it was given itself.
    deduplicates: alone && all.every(({ deduplicates }) => deduplicates),
    batchMax: Math.min(...all.map(({ batchMax }) => batchMax)),
  };
}
