/** Protocols that are wrong on purpose. Each must break the law that is there for it: an alarm that never rang proves nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judgeLives } from "../../test/protocol/check.ts";
import { laws } from "../../test/protocol/laws.ts";
import type { Protocol } from "../../test/protocol/world.ts";
import { decide, type Effect } from "./decide.ts";
import { evolve } from "./evolve.ts";
import type { Branch, Forward, Transaction, TransactionEvent } from "./transaction.ts";

interface Variant extends Partial<Protocol> {
  readonly name: string;
  readonly breaks: string;
}

const variants: readonly Variant[] = [
  {
    name: "compensation skipped on retry",
    breaks: "every branch that may have happened is undone, none that surely did not",
    evolve: rewriting((state, event) =>
      state.kind === "rolling-back" && event.kind === "attempted" ? { kind: "done", branch: event.branch, op: event.op } : event,
    ),
  },
  {
    name: "unknown read as refused",
    breaks: "no effect is left without an owner",
    evolve: rewriting((state, event) =>
      state.kind === "forward" && event.kind === "attempted" ? { kind: "refused", branch: event.branch, op: event.op, code: event.code } : event,
    ),
  },
  {
    name: "a refusal after an attempt that nobody saw end is taken for proof",
    breaks: "no effect is left without an owner",
    evolve: reshaping((branch) => ({ ...branch, unaccounted: false })),
  },
  {
    name: "takeover forgets what the last owner had in flight",
    breaks: "no effect is left without an owner",
    evolve: (state, event, atMs) => (event.kind === "recovered" ? state : evolve(state, event, atMs)),
  },
  {
    name: "an op of the second phase is given up when its attempts are spent",
    breaks: "no effect is left without an owner",
    evolve: rewriting((state, event) =>
      state.kind !== "forward" && event.kind === "attempted" && event.spent
        ? { kind: "operator-decided", branch: event.branch, verdict: "skip", who: "nobody", why: "spent" }
        : event,
    ),
  },
  {
    name: "steps undone all at once",
    breaks: "steps are undone one by one, the last started first",
    decide: (state, nowMs, options) => undoAtOnce(state) ?? decide(state, nowMs, options),
  },
  {
    name: "steps undone in the order of their start",
    breaks: "steps are undone one by one, the last started first",
    decide: (state, nowMs, options) => undoAtOnce(state)?.slice(0, 1) ?? decide(state, nowMs, options),
  },
  {
    name: "confirmed as soon as tried",
    breaks: "no confirm before the decision, no forward op after it, no call before registration",
    decide: (state, nowMs, options) => [...confirmEarly(state), ...decide(state, nowMs, options)],
  },
  {
    name: "commit without a look at the reservations' expiry",
    breaks: "a reservation's expiry bounds the decision",
    decide: (state, nowMs) => decide(state, nowMs, { expiryMarginMs: Number.NEGATIVE_INFINITY }),
  },
  {
    name: "a cancel is forgotten",
    breaks: "cancel and deadline lose to a decision already made, and win before it",
    evolve: (state, event, atMs) =>
      event.kind === "roll-back-requested" && event.reason.kind === "cancelled" ? state : evolve(state, event, atMs),
  },
  {
    name: "a cancel does not wait for the pivot",
    breaks: "a pivot runs alone, and nothing rolls back from its registration unless it was refused",
    evolve: (state, event, atMs) => evolve(event.kind === "decided" && state.kind === "forward" ? withoutPivots(state) : state, event, atMs),
    decide: (state, nowMs, options) =>
      state.kind === "forward" && state.rollBack !== undefined
        ? [{ kind: "append", event: { kind: "decided", decision: "roll-back" } }]
        : decide(state, nowMs, options),
  },
  {
    name: "messages go out whatever is decided",
    breaks: "messages go out with the commit, and only then",
    evolve: (state, event, atMs) => {
      const next = evolve(state, event, atMs);
      return event.kind === "decided" && "messages" in state && "messages" in next ? { ...next, messages: state.messages } : next;
    },
  },
  {
    name: "a rule that remembers something outside of the state",
    breaks: "replay equals live, whatever the prefix, also through JSON",
    evolve: forgetful(),
  },
  {
    name: "a late cancel still counts",
    breaks: "an ended transaction has no effects, and no event changes it",
    evolve: (state, event, atMs) => {
      if (state.kind !== "committed" || event.kind !== "roll-back-requested") return evolve(state, event, atMs);
      return { kind: "rolled-back", branches: state.branches, messages: [], reason: event.reason };
    },
  },
];

for (const variant of variants) {
  test(`${variant.name}: the laws see it`, () => {
    const law = laws.find(({ name }) => name === variant.breaks);
    assert.ok(law, `no law is called ${variant.breaks}`);
    const broken: Protocol = { evolve: variant.evolve ?? evolve, decide: variant.decide ?? decide };
    assert.throws(() => judgeLives(broken, (run) => law.holds(run, broken), { seed: 1, runs: 4_000 }), /^Error: Property failed/);
  });
}

/** Another event is applied than the one that was journaled. */
function rewriting(change: (state: Transaction, event: TransactionEvent) => TransactionEvent): Protocol["evolve"] {
  return (state, event, atMs) => evolve(state, change(state, event), atMs);
}

/** Every branch is changed after every event. */
function reshaping(change: (branch: Branch) => Branch): Protocol["evolve"] {
  return (state, event, atMs) => {
    const next = evolve(state, event, atMs);
    return next.kind === "forward" ? { ...next, branches: next.branches.map(change) } : next;
  };
}

function forgetful(): Protocol["evolve"] {
  let asked = 0;
  return (state, event, atMs) => {
    asked += 1;
    return evolve(state, event, event.kind === "attempted" ? (atMs ?? 0) + asked : atMs);
  };
}

function withoutPivots(state: Forward): Forward {
  return { ...state, branches: state.branches.filter(({ offer }) => offer.kind !== "pivot") };
}

function undoAtOnce(state: Transaction): readonly Effect[] | undefined {
  if (state.kind !== "rolling-back") return undefined;
  return state.branches.flatMap((branch) =>
    branch.phase.kind === "closing" ? [{ kind: "call" as const, branch, op: branch.phase.op, notBeforeMs: branch.notBeforeMs }] : [],
  );
}

function confirmEarly(state: Transaction): readonly Effect[] {
  if (state.kind !== "forward") return [];
  return state.branches.flatMap((branch) =>
    branch.offer.kind === "tcc" && branch.phase.kind === "done" ? [{ kind: "call" as const, branch, op: "confirm" as const, notBeforeMs: 0 }] : [],
  );
}
