import assert from "node:assert/strict";
import { decide, type Effect } from "../../src/protocol/decide.ts";
import { evolve } from "../../src/protocol/evolve.ts";
import type { Op } from "../../src/protocol/outcome.ts";
import { UNBORN, type Branch, type Offer, type ParkReason, type Transaction, type TransactionEvent, type TransactionKind, type Verdict } from "../../src/protocol/transaction.ts";

/** An event, and when it happened (default 0). */
export type Told = TransactionEvent | { readonly atMs: number; readonly event: TransactionEvent };

export interface Expected {
  readonly state?: TransactionKind;
  /** What should be going on now, as words: `ask stock: action`, `drive`, `decide commit`, `wait until 500`. */
  readonly effects?: readonly string[];
  /** Phases of branches by name: `open`, `done`, `closed (cancel)`, `parked (paused)`. */
  readonly branches?: Readonly<Record<string, string>>;
  readonly nowMs?: number;
}

export interface Story {
  readonly state: Transaction;
  when(...events: readonly Told[]): Story;
  expect(expected: Expected): Story;
}

export function given(...events: readonly Told[]): Story {
  return tell(UNBORN, events);
}

function tell(from: Transaction, events: readonly Told[]): Story {
  const state = events.reduce<Transaction>((before, told) => ("event" in told ? evolve(before, told.event, told.atMs) : evolve(before, told)), from);
  const story: Story = {
    state,
    when: (...more) => tell(state, more),
    expect: (expected) => {
      judge(state, expected);
      return story;
    },
  };
  return story;
}

export const MARGIN_MS = 100;

function judge(state: Transaction, { state: kind, effects, branches, nowMs = 0 }: Expected): void {
  if (kind !== undefined) assert.equal(state.kind, kind);
  if (branches !== undefined) {
    const all = "branches" in state ? state.branches : [];
    assert.deepEqual(Object.fromEntries(all.filter(({ name }) => name in branches).map((branch) => [branch.name, phaseOf(branch)])), branches);
  }
  if (effects !== undefined) assert.deepEqual(decide(state, nowMs, { expiryMarginMs: MARGIN_MS }).map(words), effects);
}

function words(effect: Effect): string {
  switch (effect.kind) {
    case "call":
      return `ask ${effect.branch.name}: ${effect.op}${effect.notBeforeMs === 0 ? "" : ` not before ${effect.notBeforeMs}`}`;
    case "drive":
      return "drive";
    case "wait":
      return `wait until ${effect.untilMs}`;
    case "append":
      return appended(effect.event);
  }
}

function appended(event: TransactionEvent): string {
  if (event.kind === "decided") return `decide ${event.decision}`;
  if (event.kind === "roll-back-requested") return `ask to roll back: ${event.reason.kind}`;
  return event.kind === "done" ? `${event.op} ${event.branch}` : event.kind;
}

function phaseOf({ phase }: Branch): string {
  if (phase.kind === "parked") return `parked (${phase.reason})`;
  if (phase.kind === "closed") return `closed (${phase.op}${phase.how === "done" ? "" : `, ${phase.how}`})`;
  return phase.kind === "closing" ? `closing (${phase.op})` : phase.kind;
}

// The vocabulary. `guard` is `barrier` unless said.

export function at(atMs: number, event: TransactionEvent): Told {
  return { atMs, event };
}

export const started = (deadlineMs?: number): TransactionEvent => ({ kind: "started", ...(deadlineMs === undefined ? {} : { deadlineMs }) });

export const step = (branch: string, offer: Partial<Extract<Offer, { kind: "step" }>> = {}): TransactionEvent =>
  registered(branch, { kind: "step", guard: "barrier", undo: "target", ...offer });
export const reservation = (branch: string, offer: Partial<Extract<Offer, { kind: "tcc" }>> = {}): TransactionEvent =>
  registered(branch, { kind: "tcc", guard: "barrier", ...offer });
export const pivot = (branch: string, offer: Partial<Extract<Offer, { kind: "pivot" }>> = {}): TransactionEvent =>
  registered(branch, { kind: "pivot", guard: "barrier", ...offer });
export const localSql = (branch: string, undo: "nothing" | "closure" = "closure"): TransactionEvent => registered(branch, { kind: "sql", undo });
export const timer = (branch: string, afterMs: number): TransactionEvent => registered(branch, { kind: "timer", afterMs });

function registered(branch: string, offer: Offer): TransactionEvent {
  return { kind: "registered", branch, offer, inputHash: `hash of ${branch}` };
}

export const done = (branch: string, op: Op, result?: string): TransactionEvent => ({ kind: "done", branch, op, ...(result === undefined ? {} : { result }) });
export const refused = (branch: string, op: Op, code = "no"): TransactionEvent => ({ kind: "refused", branch, op, code });
export const noAnswer = (branch: string, op: Op, { spent = false, retryAfterMs = 50 } = {}): TransactionEvent => ({
  kind: "attempted", branch, op, code: "timeout", error: "no answer in time", retryAfterMs, spent,
});
export const notYet = (branch: string, op: Op, retryAfterMs: number): TransactionEvent => ({ kind: "pending", branch, op, retryAfterMs });

export const commitAsked = (result?: string): TransactionEvent => ({ kind: "commit-requested", ...(result === undefined ? {} : { result }) });
export const refusedBy = (branch: string, code = "no"): TransactionEvent => ({ kind: "roll-back-requested", reason: { kind: "refused", branch, code } });
export const cancelled = (by = "caller"): TransactionEvent => ({ kind: "roll-back-requested", reason: { kind: "cancelled", by } });
export const deadline = (): TransactionEvent => ({ kind: "deadline-reached" });
export const decided = (decision: "commit" | "roll-back"): TransactionEvent => ({ kind: "decided", decision });
export const parked = (reason: ParkReason, branch?: string): TransactionEvent => ({ kind: "parked", reason, detail: "why", ...(branch === undefined ? {} : { branch }) });
export const said = (verdict: Verdict, branch?: string): TransactionEvent => ({
  kind: "operator-decided", verdict, who: "ann", why: "looked", ...(branch === undefined ? {} : { branch }),
});
export const message = (id: string): TransactionEvent => ({ kind: "emitted", id, topic: "order.placed", key: "o1", payload: { id }, headers: {} });
export const recovered = (): TransactionEvent => ({ kind: "recovered", by: "node-2", epoch: 2 });
