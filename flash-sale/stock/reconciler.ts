/**
 * Brings units home from gateways that have gone silent or have ended their chunks. A chunk ends in two steps: first `closing`, so that
 * nobody promises from it, and no order is placed with it; then what is still on its way keeps its units, and the rest returns. As many of
 * these as you like may run: every step is guarded by the row. While the workers do not answer nothing returns: nobody knows what they need.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { SqlExecutor } from "tripact/barrier";
import type { Order } from "../contracts.ts";
import { NotTaken, Unknown } from "../service/ask.ts";
import { endSilent, settle, unclosed } from "./chunks.ts";
import { Observer, type Step } from "./observer.ts";

export interface ReconcilerOptions {
  /** Each statement commits by itself. */
  readonly db: SqlExecutor;
  /** The workers' answer to `/orders/end-chunk`; rejects with `Unknown` or `NotTaken`. Has a time limit. */
  readonly openOrdersOf: (chunk: string) => Promise<readonly Pick<Order, "orderId" | "quantity">[]>;
  /** `settle` of a chunk, where it has to wait for its turn; by default at once. */
  readonly settled?: (chunk: string, open: readonly Pick<Order, "orderId" | "quantity">[]) => Promise<unknown>;
  /** A beat that stands still for this long ends its chunk. */
  readonly leaseMs: number;
  /**
   * From `closing` until the workers are told, so that what the gateway has sent gets through; and again from there until their list
   * counts, so that a placement that had begun is in it.
   */
  readonly graceMs?: number;
  readonly intervalMs?: number;
  /** Monotonic. */
  readonly nowMs?: () => number;
  /** Hears of a trouble once, and again when it has been over in between. */
  readonly onError: (error: unknown) => void;
}

export interface Reconciler {
  /** Rounds, one after the other, until `stop`. Twice without harm. */
  start(): void;
  /** Waits for the question or statement that is under way. Twice without harm. */
  stop(): Promise<void>;
  /** One round; rejects when the database fails it. The loop calls it, and tests do. */
  round(): Promise<void>;
}

const GRACE_MS = 1_500;
const INTERVAL_MS = 250;
/** Questions of one round: beats are not read meanwhile. */
const ASKED_PER_ROUND_MAX = 16;

type Trouble = "round" | "orders";

export function openReconciler(options: ReconcilerOptions): Reconciler {
  const { db, openOrdersOf, settled = (chunk, open) => settle(db, chunk, open), leaseMs, graceMs = GRACE_MS, intervalMs = INTERVAL_MS, nowMs = () => performance.now(), onError } = options;
  const observer = new Observer({ leaseMs, graceMs });
  const troubles = new Set<Trouble>();
  let looping: { readonly ending: AbortController; readonly ended: Promise<void> } | undefined;

  function troubled(trouble: Trouble, error: unknown): void {
    if (troubles.has(trouble)) return;
    troubles.add(trouble);
    onError(error);
  }

  async function round(signal?: AbortSignal): Promise<void> {
    const fromMs = nowMs();
    const chunks = await unclosed(db);
    const due = observer.observe({ fromMs, untilMs: nowMs(), chunks });
    for (const { id, beat } of due.silent) await endSilent(db, id, beat);
    // With nothing left in it there is nothing to keep, so nobody has to be asked.
    for (const { id } of chunks.filter(({ kind, empty }) => kind === "closing" && empty)) await settled(id, []);
    for (const { chunk, step } of due.questions.slice(0, ASKED_PER_ROUND_MAX)) {
      if (signal?.aborted === true) return;
      if ((await bringHome(chunk.id, step)) === "unknown") return;
    }
  }

  async function bringHome(chunk: string, step: Step): Promise<"done" | "refused" | "unknown"> {
    observer.asked(chunk, nowMs());
    try {
      const listed = await openOrdersOf(chunk);
      if (step === "tell") observer.told(chunk, nowMs());
      else await settled(chunk, listed);
      troubles.delete("orders");
      return "done";
    } catch (error) {
      if (!(error instanceof Unknown || error instanceof NotTaken)) throw error;
      troubled("orders", error);
      // A chunk that the workers take no question about holds up no other one.
      return error instanceof NotTaken ? "refused" : "unknown";
    }
  }

  async function loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await round(signal);
        troubles.delete("round");
      } catch (error) {
        troubled("round", error);
      }
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  return {
    start() {
      if (looping !== undefined) return;
      const ending = new AbortController();
      looping = { ending, ended: loop(ending.signal) };
    },
    async stop() {
      const ended = looping?.ended;
      looping?.ending.abort();
      looping = undefined;
      await ended;
    },
    round: () => round(),
  };
}
