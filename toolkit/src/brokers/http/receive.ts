/** What is done with the events of one request. */
import type { Answer } from "../../protocol/outcome.ts";
import { unknown } from "../../wire/answers.ts";
import { answerOfThrown } from "../../wire/thrown.ts";
import type { Envelope } from "../broker.ts";

/**
 * Takes one event. It has been received when this returns: return after the commit. `Refused` says that it will never be taken (the
 * sender parks it), anything else thrown that it may come again. `signal` aborts when nobody waits for the answer any more.
 */
export interface ReceiveEvent {
  (envelope: Envelope, signal: AbortSignal): unknown;
  /**
   * Takes several, in their order, all of them or none: `consume` does it in one transaction. When it throws, they are taken one by one, so that
   * one that fails does not hold up the rest.
   */
  readonly together?: (envelopes: readonly Envelope[], signal: AbortSignal) => unknown;
}

export type ReportEvent = (error: unknown, envelope: Envelope) => void;

/** Never rejects. */
export async function takeOne(receive: ReceiveEvent, envelope: Envelope, signal: AbortSignal, report: ReportEvent): Promise<Answer> {
  try {
    await receive(envelope, signal);
    return { kind: "done" };
  } catch (error) {
    return answerOfThrown(error, (unsaid) => report(unsaid, envelope));
  }
}

/** An answer for each, in their order. Never rejects. Behind one that was not taken, no other of its key is tried. */
export async function takeAll(receive: ReceiveEvent, envelopes: readonly Envelope[], signal: AbortSignal, report: ReportEvent): Promise<readonly Answer[]> {
  if (receive.together !== undefined && envelopes.length > 1) {
    try {
      await receive.together(envelopes, signal);
      return envelopes.map(() => ({ kind: "done" }));
    } catch {
      // Whose fault it was, they tell one by one.
    }
  }
  const answers: Answer[] = [];
  const failed = new Set<string>();
  for (const envelope of envelopes) {
    const key = JSON.stringify([envelope.topic, envelope.key]);
    const answer = failed.has(key) || signal.aborted ? unknown("internal", "not tried") : await takeOne(receive, envelope, signal, report);
    if (answer.kind !== "done") failed.add(key);
    answers.push(answer);
  }
  return answers;
}
