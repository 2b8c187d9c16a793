/** From a history to what the judges want of it: what each buyer asked, and what he was told. */
import type { Operation, ToldFinal } from "../checkers/checker.ts";
import type { Heard } from "./read-evidence.ts";
import type { Line } from "../history/line.ts";
import { readHistory, type Item } from "../history/reader.ts";

const NO_ORDER = "request:";

export async function heardIn(historyFile: string): Promise<Heard> {
  return heard(readHistory(historyFile));
}

export async function heard(items: AsyncIterable<Item> | Iterable<Item>): Promise<Heard> {
  const skus = new Map<number, string>();
  const operations: Operation[] = [];
  const finals: ToldFinal[] = [];
  let historyIsWhole = false;
  for await (const item of items) {
    if (item.kind === "ending") {
      historyIsWhole = item.ending.kind === "complete";
      continue;
    }
    const { line } = item;
    if (line.kind === "phase") skus.set(line.phase, line.sku);
    else if (line.kind === "operation") operations.push(operationOf(line, skus.get(line.intent.phase)));
    // Its words for states are the shop's; one that no judge knows is one that he objects to.
    else if (line.kind === "final") finals.push({ orderId: line.orderId, state: line.state as ToldFinal["state"], atMs: line.at });
  }
  return { operations, finals, historyIsWhole };
}

function operationOf({ op, key, intent, s, c, outcome, evidence }: Extract<Line, { readonly kind: "operation" }>, sku: string | undefined): Operation {
  return {
    ...(sku === undefined ? {} : { sku }),
    ...(key.startsWith(NO_ORDER) ? {} : { orderId: key }),
    requestId: intent.requestId,
    buyer: intent.buyer,
    quantity: intent.quantity,
    intentMs: s,
    completedMs: c,
    // A purchase is never final at once: whatever says so has promised it.
    outcome: outcome === "ok" ? "accepted" : outcome,
    ...(op === "settle" ? { settling: true as const } : {}),
    evidence,
  };
}
