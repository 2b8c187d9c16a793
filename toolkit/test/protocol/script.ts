import fc from "fast-check";
import { pivotDone, type Forward, type Guard, type Offer, type TransactionEvent } from "../../src/protocol/transaction.ts";

/** What a flow would do, as data: groups in order, side by side inside a group. */
export interface Script {
  readonly groups: readonly (readonly Planned[])[];
  /** Whether the flow goes on after a refusal. */
  readonly catches: boolean;
  /** The flow throws before this group. */
  readonly throwsBefore?: number;
  readonly deadlineMs?: number;
  /** The caller cancels around this step of the run, and once more a little later. */
  readonly cancelsAt?: number;
}

export interface Planned {
  readonly name: string;
  readonly offer: Offer;
}

/** The driver of the laws: what this script asks for next. */
export function drive(script: Script, state: Forward): readonly TransactionEvent[] {
  const branches = new Map(state.branches.map((branch) => [branch.name, branch]));
  const refused = state.branches.find((branch) => branch.phase.kind === "refused");
  if (refused !== undefined && !script.catches) {
    return [{ kind: "roll-back-requested", reason: { kind: "refused", branch: refused.name, code: "no" } }];
  }
  for (const [index, group] of script.groups.entries()) {
    if (index === script.throwsBefore && !pivotDone(state.branches)) {
      return [{ kind: "roll-back-requested", reason: { kind: "flow-threw", error: "a bug" } }];
    }
    const missing = group.filter(({ name }) => !branches.has(name));
    if (missing.length > 0) return missing.map(({ name, offer }) => ({ kind: "registered", branch: name, offer, inputHash: name }));
    if (group.some(({ name }) => !isOver(branches.get(name)?.phase.kind))) return [];
  }
  if (state.messages.length > 0) return [{ kind: "commit-requested", result: { sold: true } }];
  return [{ kind: "emitted", id: "m1", topic: "sold", key: "k", payload: null, headers: {} }];
}

function isOver(phase: string | undefined): boolean {
  return phase === "done" || phase === "refused" || phase === "skipped";
}

// A journal is JSON: what comes back from it has the usual prototype.
const plain = { noNullPrototype: true };
const guard = fc.constantFrom<Guard>("barrier", "unguarded");
const target = { participant: "p", payload: null };
const timer = fc.record({ kind: fc.constant("timer" as const), afterMs: fc.integer({ min: 0, max: 200 }) }, plain);
const sql = fc.record({ kind: fc.constant("sql" as const), undo: fc.constantFrom("nothing" as const, "closure" as const) }, plain);
const step = fc.record(
  { kind: fc.constant("step" as const), guard, undo: fc.constantFrom("target" as const, "closure" as const, "nothing" as const) },
  plain,
);
const tcc = fc.record(
  { kind: fc.constant("tcc" as const), guard, target: fc.constant(target), expiresAfterMs: fc.integer({ min: 30, max: 2_000 }) },
  { ...plain, requiredKeys: ["kind", "guard", "target"] },
);
const pivot = fc.record({ kind: fc.constant("pivot" as const), guard, target: fc.constant(target) }, plain);

const beforePivot = fc.oneof({ weight: 3, arbitrary: step }, { weight: 3, arbitrary: tcc }, sql, timer);
const afterPivot = fc.oneof({ weight: 3, arbitrary: step }, sql, timer);

/** Present in one of `freq` transactions. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>, freq: number): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: freq - 1, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

/** Any transaction that the door would let in: a pivot at most, alone, and no reservation after it. */
export const scripts: fc.Arbitrary<Script> = fc
  .record({
    before: fc.array(fc.array(beforePivot, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    turn: seldom(fc.tuple(pivot, fc.array(fc.array(afterPivot, { minLength: 1, maxLength: 2 }), { maxLength: 2 })), 3),
    catches: fc.boolean(),
    throwsBefore: seldom(fc.nat(5), 5),
    deadlineMs: seldom(fc.integer({ min: 20, max: 1_500 }), 4),
    cancelsAt: seldom(fc.nat(60), 4),
  })
  .map(({ before, turn, catches, throwsBefore, deadlineMs, cancelsAt }) => {
    const offers: readonly (readonly Offer[])[] = turn === undefined ? before : [...before, [turn[0]], ...turn[1]];
    return {
      groups: offers.map((group, g) => group.map((offer, b) => ({ name: `${offer.kind}-${g}-${b}`, offer }))),
      catches,
      ...(throwsBefore === undefined ? {} : { throwsBefore }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      ...(cancelsAt === undefined ? {} : { cancelsAt }),
    };
  });
