import { TripactError } from "../protocol/errors.ts";
import { evolve } from "../protocol/evolve.ts";
import { answerFromThrown, type Answer } from "../protocol/outcome.ts";
import type { Branch, TransactionEvent } from "../protocol/transaction.ts";
import { doneEvent } from "./asking.ts";
import type { BranchCode, OpContext } from "./driver.ts";
import type { Engine } from "./engine.ts";
import type { Live } from "./live.ts";
import { summaryOf } from "./summary.ts";

/**
 * A local SQL op: the business write and its journal entry in one commit. While it runs the transaction is held: it has one writer at
 * a time, and the entry's number is taken. Answers only when nothing was committed, or nobody knows; then the next attempt, or the next
 * flush, settles it, because the sequence lets only one of the two win.
 */
export async function askSql(engine: Engine, live: Live, branch: Branch, code: Extract<BranchCode, { kind: "sql" }>, context: OpContext): Promise<Answer | undefined> {
  const { store, clock, tuning, owner } = engine.parts;
  if (store.localSql === undefined) return { kind: "pause", reason: "this store has no local SQL" };
  let sealedEvent: TransactionEvent | undefined;
  live.held = true;
  try {
    const { verdict } = await store.localSql.run(
      owner(),
      (db) => code.run(db, context),
      (result) => {
        const event = doneEvent(result, branch.name, context.op, tuning.payloadBytesMax);
        if (event.kind !== "done") throw new TripactError("invalid-input", "The result of this SQL step is not JSON.", { where: `${live.gid}/${branch.name}` });
        const write = { kind: "entry" as const, gid: live.gid, epoch: live.epoch, seq: live.seq + 1, entry: JSON.stringify([event]) };
        const summary = summaryOf(evolve(live.state, event, clock.nowMs()));
        sealedEvent = event;
        return { flushId: clock.uuid(), write: { ...write, summary, mailSeen: live.mailSeen, mailGuard: false, messages: [] } };
      },
    );
    return settle(verdict);
  } catch (error) {
    return release(answerFromThrown(error));
  }

  function settle(verdict: "applied" | "reload" | "fenced" | "exists" | "never-started"): Answer | undefined {
    if (live.gone) return undefined;
    if (verdict === "applied" && sealedEvent !== undefined) {
      live.sealed(evolve(live.state, sealedEvent, clock.nowMs()));
      live.flights.delete(branch.name);
      live.driver?.heard(sealedEvent);
    } else {
      engine.parts.onVerdict(live, verdict);
    }
    return release(undefined);
  }

  function release(answer: Answer | undefined): Answer | undefined {
    live.held = false;
    for (const happen of live.deferred.splice(0)) happen();
    if (answer === undefined) engine.step(live);
    return answer;
  }
}
