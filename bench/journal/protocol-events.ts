import { decide } from "../../toolkit/src/protocol/decide.ts";
import { evolve } from "../../toolkit/src/protocol/evolve.ts";
import { UNBORN } from "../../toolkit/src/protocol/transaction.ts";
import type { Offer, Transaction, TransactionEvent } from "../../toolkit/src/protocol/transaction.ts";
import { say } from "../runner.ts";

/**
 * How many events a second the pure protocol takes on one core: every event of a three-step saga through `evolve`,
 * and `decide` asked after each, as live. No store, no promises, no clock.
 */
const offer: Offer = { kind: "step", guard: "unguarded", undo: "nothing" };

const story: readonly TransactionEvent[] = [
  { kind: "started" },
  ...["one", "two", "three"].flatMap((branch): TransactionEvent[] => [
    { kind: "registered", branch, offer, inputHash: "" },
    { kind: "done", branch, op: "action", result: null },
  ]),
  { kind: "commit-requested", result: null },
  { kind: "decided", decision: "commit" },
];

function oneSaga(): number {
  let state: Transaction = UNBORN;
  for (const [atMs, event] of story.entries()) {
    state = evolve(state, event, atMs);
    decide(state, atMs, { expiryMarginMs: 4000 });
  }
  if (state.kind !== "committed") throw new Error(`the saga ended ${state.kind}`);
  return story.length;
}

const measureMs = 2000;

// One unmeasured second: the figure is that of optimised code, as in a coordinator that has run for a while.
for (const endsAt = performance.now() + 1000; performance.now() < endsAt; ) oneSaga();
const startedAt = performance.now();
let events = 0;
while (performance.now() - startedAt < measureMs) events += oneSaga();
say({ kind: "figure", name: "protocolEventsPerSecond", value: events / ((performance.now() - startedAt) / 1000) });
