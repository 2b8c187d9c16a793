/** What the coordinated modes have in common: waiting for the provider, and remembering why it ended. */
import { Pending, Refused, type Tx } from "tripact";
import type { PaymentSettled, PaymentState } from "../../contracts.ts";
import { because, close, type Because } from "../../orders/ledger.ts";
import { stateOf } from "../../payment/ledger.ts";
import type { PaymentSide } from "../mode.ts";
import type { ParticipantCall } from "tripact/http";

/** Most providers answer within this time; then the call and its answer are all it takes. Below the limit for one attempt. */
const WAIT_MS = 1_000;
/** Later answers are brought by whoever hears them; this is for one that got lost. */
const ASK_AGAIN_MS = 1_000;

/**
 * What `op` began (it has committed by now) ends when the provider has answered. He said no: refused, and nothing is there to undo. Not yet:
 * pending, which uses up no attempts.
 */
export async function untilAnswered(side: Pick<PaymentSide, "db" | "waitFor">, { gid, attempt, epoch }: Pick<ParticipantCall, "gid" | "attempt" | "epoch">, op: () => Promise<unknown>): Promise<void> {
  const heard = side.waitFor(gid, WAIT_MS);
  // Asked again, or by an heir, who counts from 1 anew: where the payment is there, `op` has begun it, and it may have been answered long ago.
  const found = attempt > 1 || epoch > 1 ? await stateOf(side.db, gid) : undefined;
  if (found === undefined) await op();
  else if (isAnswered(found)) return;
  const settled = await heard;
  if (settled?.outcome === "declined") throw new Refused("declined");
  if (settled === undefined && !isAnswered(await stateOf(side.db, gid))) throw new Pending({ retryAfterMs: ASK_AGAIN_MS });
}

function isAnswered(state: PaymentState | undefined): boolean {
  if (state === "authorised" || state === "captured") return true;
  if (state !== "requested") throw new Refused("declined");
  return false;
}

/**
 * A refusal ends the purchase: the order closes with its reason in one commit with the journal, the units and the money follow as the
 * coordinator rolls back. Other ends (the payment window, the buyer, a way that failed) close it when they are decided.
 */
export async function closingRefused(tx: Tx, orderId: string, way: () => Promise<void>): Promise<void> {
  try {
    await way();
  } catch (error) {
    if (error instanceof Refused) {
      await tx.sql("closed", async (db) => {
        await because(db, orderId, whyOf(error.code));
        return close(db, orderId);
      }, { undo: "nothing" });
    }
    throw error;
  }
}

function whyOf(code: string): Because {
  return code === "sold-out" || code === "declined" ? code : "failed";
}

export function completionOf(outcome: PaymentSettled["outcome"]): { readonly kind: "done" } | { readonly kind: "refused"; readonly code: string } {
  return outcome === "declined" ? { kind: "refused", code: "declined" } : { kind: "done" };
}
