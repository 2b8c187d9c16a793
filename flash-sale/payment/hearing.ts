/** What the provider says, whichever way it comes: recorded, passed to the mode in the same transaction, and after the commit once more. */
import type { OpenTransaction } from "tripact/barrier";
import type { PaymentSettled } from "../contracts.ts";
import type { PaymentPart } from "../modes/mode.ts";
import { record } from "./ledger.ts";
import type { Waiters } from "./waiters.ts";

export interface Hearing {
  /** Resolves after the commit. Rejects when it failed or nobody knows; then it is to be said again. */
  heard(orderId: string, outcome: PaymentSettled["outcome"]): Promise<void>;
  /** Waits for what is still being passed on. */
  stop(): Promise<void>;
}

/** Passing it on may be lost at any time, so beyond this many it is: whoever waits asks as well. */
const PASSING_MAX = 1_000;

/** `waiters`: branches of purchases; `echoes`: the dispatcher, which need not note that a charge was asked for when its answer is there. */
export interface Listeners {
  readonly waiters: Waiters;
  readonly echoes: Waiters;
}

export function hearing(open: OpenTransaction, part: Pick<PaymentPart, "settledIn" | "settled">, { waiters, echoes }: Listeners, onError: (error: unknown) => void): Hearing {
  const passing = new Set<Promise<void>>();

  // Nobody waits for it: the provider's callback is answered meanwhile, even when a worker is slow to listen.
  function passOn(settled: PaymentSettled): void {
    if (part.settled === undefined || passing.size >= PASSING_MAX) return;
    const one = part
      .settled(settled)
      .catch((error: unknown) => onError(new Error(`nobody was told that order ${settled.orderId} is ${settled.outcome}`, { cause: error })))
      .finally(() => passing.delete(one));
    passing.add(one);
  }

  return {
    async heard(orderId, outcome) {
      const settled = await open(async (db) => {
        const news = await record(db, orderId, outcome);
        if (news !== undefined) await part.settledIn?.(db, news);
        return news;
      });
      echoes.tell({ orderId, outcome });
      // Where somebody waits here, nobody else need be told.
      if (settled !== undefined && !waiters.tell(settled)) passOn(settled);
    },
    stop: async () => void (await Promise.all(passing)),
  };
}
