import { TripactError } from "../../protocol/errors.ts";
import { evolve } from "../../protocol/evolve.ts";
import { answerFromThrown, type Answer } from "../../protocol/outcome.ts";
import type { Branch, TransactionEvent } from "../../protocol/transaction.ts";
import { hearingMessages } from "../../stores/sql.ts";
import type { Store, Verdict } from "../../stores/store.ts";
import type { Clock } from "../clock.ts";
import { doneEvent } from "./asking.ts";
import type { Tuning } from "../options.ts";
import type { BranchCode, OpContext } from "../driver.ts";
import type { Live } from "../live.ts";
import { summaryOf } from "../journal/summary.ts";
import { noticesOf } from "../journal/telling.ts";
import type { Notify } from "../notices.ts";

/** What a local step needs of the engine that runs it. */
export interface LocalStepHost {
  readonly store: Store;
  readonly clock: Clock;
  readonly tuning: Tuning;
  readonly notify: Notify;
  readonly owner: () => string;
  readonly onVerdict: (live: Live, verdict: Verdict) => void;
  readonly step: (live: Live) => void;
}

/**
 * A local SQL op: the business write and its journal entry in one commit. While it runs the transaction is held: it has one writer at
 * a time, and the entry's number is taken. Answers only when nothing was committed, or nobody knows; then the next attempt, or the next
 * flush, settles it, because the sequence lets only one of the two win.
 */
export async function askSql(host: LocalStepHost, live: Live, branch: Branch, code: Extract<BranchCode, { kind: "sql" }>, context: OpContext, controller: AbortController): Promise<Answer | undefined> {
  const { store, clock, tuning, owner } = host;
  if (store.localSql === undefined) return { kind: "pause", reason: "this store has no local SQL" };
  let sealedEvent: TransactionEvent | undefined;
  let sent = false;
  live.held = true;
  try {
    const { verdict } = await store.localSql.run(
      owner(),
      (db) => inTime(code.timeoutMs ?? tuning.opTimeoutMs, clock, controller, () => code.run(hearingMessages(db, () => void (sent = true)), context)),
      (result) => {
        const event = doneEvent(result, branch.name, context.op, tuning.payloadBytesMax);
        if (event.kind !== "done") throw new TripactError("invalid-input", "The result of this SQL step is not JSON.", { where: `${live.gid}/${branch.name}` });
        const write = { kind: "entry" as const, gid: live.gid, epoch: live.epoch, seq: live.seq + 1, entry: JSON.stringify(live.withFolded(event)) };
        const summary = summaryOf(evolve(live.state, event, clock.nowMs()));
        sealedEvent = event;
        return { flushId: clock.uuid(), write: { ...write, summary, mailSeen: live.mailSeen, mailGuard: false, messages: [] } };
      },
    );
    if (verdict === "applied" && sent) store.membership.announce("outbox");
    return settle(verdict);
  } catch (error) {
    return release(answerOf(error));
  }

  function settle(verdict: Verdict): Answer | undefined {
    if (live.gone) return undefined;
    if (verdict === "applied" && sealedEvent !== undefined) {
      const before = live.state;
      live.sealed(evolve(before, sealedEvent, clock.nowMs()), sealedEvent);
      for (const notice of noticesOf(live.gid, before, sealedEvent, live.state)) host.notify(notice);
      live.flights.delete(branch.name);
      live.driver?.heard(sealedEvent);
    } else {
      host.onVerdict(live, verdict);
    }
    return release(undefined);
  }

  function release(answer: Answer | undefined): Answer | undefined {
    live.held = false;
    for (const happen of live.deferred.splice(0)) happen();
    if (answer === undefined) host.step(live);
    return answer;
  }
}

class TookTooLong extends Error {}

/** A body that never ends would hold the transaction, and a connection that all local steps share, for ever. */
function inTime<T>(limitMs: number, clock: Clock, controller: AbortController, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => {
      reject(new TookTooLong(`no end within ${limitMs} ms`));
      controller.abort();
    });
    void work().then(resolve, reject).finally(cancel);
  });
}

function answerOf(error: unknown): Answer {
  if (error instanceof TookTooLong) return { kind: "unknown", code: "timeout", error: error.message };
  // What it wrote is committed without the journal: asked again, it would write once more.
  if (error instanceof TripactError && error.code === "barrier-misuse") return { kind: "pause", reason: error.message };
  return answerFromThrown(error);
}
