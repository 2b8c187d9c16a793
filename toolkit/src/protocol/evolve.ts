/**
 * `evolve(state, event)`: the only way a transaction changes. One table, state by event; a pair that is not in it is an
 * `IllegalTransition`. The same function runs live, replays a journal after a crash, feeds the simulator and draws the timeline.
 *
 * `atMs` is the owner's own monotonic time of the event. A journal that is read again is re-based on the reader's clock.
 */
import { IllegalTransition } from "./errors.ts";
import { park, postpone } from "./rules/branch.ts";
import { begin, operatorForward, recover, register, retryForward, settleDone, settleRefused, wishCommit, wishRollBack } from "./rules/forward.ts";
import { close, operatorSecond, parkSecond, retrySecond, tooLate, turn } from "./rules/second-phase.ts";
import type { EventKind, EventOf, Transaction, TransactionEvent, TransactionKind } from "./transaction.ts";

type StateOf<K extends TransactionKind> = Extract<Transaction, { kind: K }>;
type Rule<S extends TransactionKind, E extends EventKind> = (state: StateOf<S>, event: EventOf<E>, atMs: number) => Transaction;
type Table = { readonly [S in TransactionKind]: { readonly [E in EventKind]?: Rule<S, E> } };

const table: Table = {
  unborn: { started: begin },
  forward: {
    registered: register,
    attempted: retryForward,
    pending: postpone,
    done: settleDone,
    refused: settleRefused,
    emitted: (state, { kind: _, ...message }) => ({ ...state, messages: [...state.messages, message] }),
    recorded: (state, { source, value }) => ({ ...state, recorded: [...state.recorded, { source, value }] }),
    "roll-back-requested": (state, event) => wishRollBack(state, event.reason),
    "deadline-reached": (state) => wishRollBack(state, { kind: "deadline" }),
    "commit-requested": wishCommit,
    decided: turn,
    parked: park,
    "operator-decided": operatorForward,
    recovered: recover,
  },
  committing: {
    attempted: retrySecond,
    pending: postpone,
    done: close,
    refused: parkSecond,
    "roll-back-requested": tooLate,
    parked: park,
    "operator-decided": operatorSecond,
    recovered: (state) => state,
  },
  "rolling-back": {
    attempted: retrySecond,
    pending: postpone,
    done: close,
    refused: parkSecond,
    "roll-back-requested": tooLate,
    parked: park,
    "operator-decided": operatorSecond,
    recovered: (state) => state,
  },
  committed: { "roll-back-requested": tooLate },
  "rolled-back": { "roll-back-requested": tooLate },
  mixed: { "roll-back-requested": tooLate },
};

export function evolve(state: Transaction, event: TransactionEvent, atMs = 0): Transaction {
  // The table pairs each rule with its own state and event; TypeScript cannot follow a lookup by two unions.
  const rule = table[state.kind][event.kind] as Rule<TransactionKind, EventKind> | undefined;
  if (rule === undefined) throw new IllegalTransition(state.kind, event.kind);
  return rule(state, event, atMs);
}

/** Whether the table has a rule for this pair at all. */
export function takes(state: TransactionKind, event: EventKind): boolean {
  return table[state][event] !== undefined;
}
