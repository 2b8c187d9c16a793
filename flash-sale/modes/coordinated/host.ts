/** The coordinator in a purchase worker, for the modes that have one. What they differ in is their definition of a purchase, and nothing else. */
import { createTripact, saga, type Participant, type Saga, type SagaParticipant, type TransactionOutcome, type TripactError } from "tripact";
import { readNodes, timelineOf } from "tripact/admin";
import { waking } from "tripact/outbox";
import { postgresStore } from "tripact/postgres";
import type { Order } from "../../contracts.ts";
import { beginRefund, close, lingering, overdue, refunded } from "../../orders/ledger.ts";
import type { OrdersPart, OrdersSide } from "../mode.ts";
import { completionOf } from "./waiting.ts";

export interface Coordinated {
  readonly purchase: Saga<Order, null>;
  /** The branch that waits for the provider's answer. */
  readonly waiting: string;
  readonly participants: readonly Participant[];
  /** For refunds: `{ orderId }`, and they may not say no. */
  readonly restock: SagaParticipant<OfOrder, unknown>;
  readonly repay: SagaParticipant<OfOrder, unknown>;
}
export type OfOrder = { readonly orderId: string };

/**
 * A service that is restarted takes a second or two, and is worth waiting for; the default of 5 attempts is spent by then. The payment
 * window is the limit that counts.
 */
const ATTEMPTS = 30;
const WAIT_FOR_STORE_MS = 30_000;
/**
 * The coordinator decides, the order's row follows: at once where a refusal or the buyer ends it, by a look where its window has passed, or its
 * way has failed. Any worker may look, as often as it likes.
 */
const SWEPT = 100;
const LOOKED_AFTER = 20;
const LINGERING_MS = 5_000;

export async function runCoordinator(side: OrdersSide, { purchase, waiting, participants, restock, repay }: Coordinated): Promise<OrdersPart> {
  const refund = saga("refund", async (tx, { orderId }: OfOrder) => {
    // The pivot first: whoever was promised his money back gets it, however long the payment or the stock is away. Nothing of it is ever undone.
    await tx.pivot("repay", repay, { orderId });
    await tx.step("restock", restock, { orderId });
    await tx.sql("refunded", (db) => refunded(db, orderId), { undo: "nothing" });
    return null;
  });
  const store = postgresStore({ url: side.databaseUrl, durability: side.durability, applicationName: side.worker });
  const tripact = await createTripact({
    store,
    definitions: [purchase, refund],
    participants: [...participants, restock, repay],
    nodeName: side.worker,
    retry: { maxAttempts: ATTEMPTS },
    waitForStoreMs: WAIT_FOR_STORE_MS,
  });
  let after = "";
  return {
    at: {},
    beginIn: async (db, order) => void (await tripact.start(db, purchase, order, { gid: order.orderId, deadlineMs: order.paymentWindowMs })),
    waker: tripact,
    cancel: async (orderId) => {
      if (rollsBack(await tripact.cancel(orderId, "buyer"))) await side.open((db) => close(db, orderId));
    },
    refund: (orderId) =>
      waking(side.open, tripact)(async (db) => {
        if (await beginRefund(db, orderId)) await tripact.start(db, refund, { orderId }, { gid: `refund-${orderId}` });
      }),
    settled: ({ orderId, outcome }) => complete(() => tripact.complete(orderId, waiting, completionOf(outcome), { definition: purchase.definition })),
    timeline: async (orderId) => {
      const [record] = await store.journal.read([orderId]);
      if (record === undefined) return [];
      const { startedAtMs, lines } = timelineOf(record, await readNodes(store.membership));
      return lines.map(({ sinceStartMs, branch, text, by }) => ({ at: startedAtMs + sinceStartMs, what: `${branch === undefined ? "" : `${branch}: `}${text} (${by})` }));
    },
    sweep: async () => {
      const overdueNow = await overdue(side.db, SWEPT);
      const turn = await lingering(side.db, after, LINGERING_MS, LOOKED_AFTER);
      after = turn.at(-1) ?? "";
      for (const orderId of [...overdueNow, ...turn]) {
        if (rollsBack(await tripact.outcome(orderId))) await side.open((db) => close(db, orderId));
      }
    },
    ready: () => tripact.ready(),
    stop: () => tripact.stop(),
  };
}

/** Decided: whatever comes, this order will not be paid. */
function rollsBack(outcome: TransactionOutcome): boolean {
  return outcome.kind === "rolled-back" || (outcome.kind === "open" && outcome.phase === "rolling-back");
}

/** The answer may be there before the branch is: the branch asks for itself when it begins. */
async function complete(letter: () => Promise<void>): Promise<void> {
  try {
    await letter();
  } catch (error) {
    const { code } = error as Partial<TripactError>;
    if (code !== "unknown-branch" && code !== "unknown-transaction") throw error;
  }
}
