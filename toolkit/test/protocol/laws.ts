import assert from "node:assert/strict";
import { forwardOp, UNBORN, type EventKind, type EventOf, type Offer, type Transaction, type TransactionEvent } from "../../src/protocol/transaction.ts";
import { EXPIRY_MARGIN_MS, type Attempt, type Entry, type Protocol, type Run } from "./world.ts";

/** A sentence that holds of every run. It judges by the journal, the calls and the participants' truth, not by the state alone. */
export interface Law {
  readonly name: string;
  readonly holds: (run: Run, protocol: Protocol) => void;
}

export const laws: readonly Law[] = [
  { name: "replay equals live, whatever the prefix, also through JSON", holds: replayEqualsLive },
  { name: "an ended transaction has no effects, and no event changes it", holds: endIsEnd },
  { name: "every branch that may have happened is undone, none that surely did not", holds: undoesWhatMayHaveHappened },
  { name: "steps are undone one by one, the last started first", holds: undoesInReverse },
  { name: "no confirm before the decision, no forward op after it, no call before registration", holds: phasesKeepApart },
  { name: "the decision happens once", holds: decidesOnce },
  { name: "a pivot runs alone, and nothing rolls back from its registration unless it was refused", holds: pivotHoldsOn },
  { name: "cancel and deadline lose to a decision already made, and win before it", holds: wishesKnowTheirTime },
  { name: "a reservation's expiry bounds the decision", holds: expiryBoundsCommit },
  { name: "messages go out with the commit, and only then", holds: messagesFollowCommit },
  { name: "no effect is left without an owner", holds: truthMatchesOutcome },
];

function replayEqualsLive({ journal }: Run, { evolve }: Protocol): void {
  let state: Transaction = UNBORN;
  for (const { event, atMs, after } of journal) {
    state = evolve(state, JSON.parse(JSON.stringify(event)) as TransactionEvent, atMs);
    assert.deepStrictEqual(state, after);
  }
}

function endIsEnd({ journal, final, nowMs }: Run, { evolve, decide }: Protocol): void {
  for (const atMs of [0, nowMs, nowMs + 1e9]) assert.deepStrictEqual(decide(final, atMs, { expiryMarginMs: EXPIRY_MARGIN_MS }), []);
  for (const { event } of journal) {
    let state: Transaction;
    try {
      state = evolve(final, event, nowMs);
    } catch {
      continue;
    }
    assert.deepStrictEqual(state, final, `${event.kind} changed it`);
  }
}

function undoesWhatMayHaveHappened(run: Run): void {
  const at = decision(run);
  const rolledBack = run.journal[at]?.event.kind === "decided" && run.journal[at].event.decision === "roll-back";
  const expected = registered(run)
    .filter((event) => undoOf(event.offer) !== undefined && outcomeOf(run, event) !== "surely not")
    // A commit undoes only what the flow believes not to have happened.
    .filter((event) => rolledBack || outcomeOf(run, event) === "refused, but who knows")
    .map((event) => `${event.branch} ${undoOf(event.offer)}`);
  const undone = entries(run, "done").filter(({ op }) => op === "compensate" || op === "cancel").map(({ branch, op }) => `${branch} ${op}`);
  assert.deepStrictEqual(undone.toSorted(), expected.toSorted(), "undone / may have happened");
  assert.deepStrictEqual([...new Set(secondCalls(run, "compensate", "cancel").map(({ branch, op }) => `${branch} ${op}`))].toSorted(), expected.toSorted(), "asked / may have happened");
}

function undoesInReverse(run: Run): void {
  if (run.final.kind !== "rolled-back") return;
  const order = registered(run).map(({ branch }) => branch);
  const undone = entries(run, "done").filter(({ op }) => op === "compensate").map(({ branch }) => branch);
  assert.deepStrictEqual(undone, undone.toSorted((a, b) => order.indexOf(b) - order.indexOf(a)));
  for (const call of secondCalls(run, "compensate")) {
    const closed = new Set(run.journal.slice(0, call.journalLength).flatMap(({ event }) => (event.kind === "done" && event.op === "compensate" ? [event.branch] : [])));
    const later = undone.filter((branch) => order.indexOf(branch) > order.indexOf(call.branch));
    assert.ok(later.every((branch) => closed.has(branch)), `${call.branch} was asked before ${later.join(", ")} had ended`);
  }
}

function phasesKeepApart(run: Run): void {
  const at = decision(run);
  for (const { branch, op, journalLength } of run.calls) {
    const registration = run.journal.findIndex(({ event }) => event.kind === "registered" && event.branch === branch);
    assert.ok(registration !== -1 && registration < journalLength, `${branch} was called before it was registered`);
    const isForward = op === "action" || op === "try";
    assert.equal(journalLength <= at, isForward, `${op} of ${branch} on the wrong side of the decision`);
  }
}

function decidesOnce(run: Run): void {
  assert.equal(entries(run, "decided").length, 1);
}

function pivotHoldsOn(run: Run): void {
  for (const [index, { event, before }] of run.journal.entries()) {
    if (event.kind !== "registered" || event.offer.kind !== "pivot") continue;
    assert.ok("branches" in before && before.branches.every(({ phase }) => ["done", "refused", "skipped"].includes(phase.kind)), "something else was open");
    const rest = run.journal.slice(index + 1).map((entry) => entry.event);
    const refused = rest.findIndex((it) => (it.kind === "refused" || (it.kind === "operator-decided" && it.verdict === "refused")) && it.branch === event.branch);
    const answered = rest.findIndex((it) => (it.kind === "done" || it.kind === "refused") && it.branch === event.branch);
    assert.ok(!rest.slice(0, answered).some((it) => it.kind === "registered"), "something was registered beside it");
    const turned = rest.findIndex((it) => it.kind === "decided" && it.decision === "roll-back");
    if (turned !== -1) assert.ok(refused !== -1 && refused < turned, "rolled back although it may have happened");
  }
}

function wishesKnowTheirTime(run: Run): void {
  const at = decision(run);
  for (const [index, { event, before, after }] of run.journal.entries()) {
    if (event.kind !== "roll-back-requested" && event.kind !== "deadline-reached") continue;
    if (index > at) assert.deepStrictEqual(after, before, "a wish after the decision changed something");
    const pivot = registrations(run.journal.slice(0, index)).some(({ offer }) => offer.kind === "pivot");
    if (index < at && !pivot) assert.equal(run.final.kind, "rolled-back", `${event.kind} came before the decision`);
  }
}

function expiryBoundsCommit(run: Run): void {
  const at = decision(run);
  const entry = run.journal[at];
  if (entry?.event.kind !== "decided" || entry.event.decision !== "commit" || pivotTaken(run)) return;
  for (const { event, atMs } of run.journal.slice(0, at)) {
    if (event.kind !== "registered" || event.offer.kind !== "tcc" || event.offer.expiresAfterMs === undefined) continue;
    if (outcomeOf(run, event) !== "done") continue;
    assert.ok(entry.atMs < atMs + event.offer.expiresAfterMs - EXPIRY_MARGIN_MS, `committed at ${entry.atMs}, ${event.branch} expires`);
  }
}

function messagesFollowCommit({ journal, final }: Run): void {
  const written = journal.filter(({ event }) => event.kind === "emitted").length;
  assert.ok("messages" in final);
  assert.equal(final.messages.length, final.kind === "committed" ? written : 0);
}

function truthMatchesOutcome(run: Run): void {
  assert.ok(run.final.kind === "committed" || run.final.kind === "rolled-back", `ended ${run.final.kind}`);
  const committed = run.final.kind === "committed";
  for (const event of registered(run)) {
    const { branch, offer } = event;
    const participant = run.participants.get(branch);
    if (participant === undefined || offer.kind === "timer") continue;
    const done = outcomeOf(run, event) === "done";
    const irreversible = undoOf(offer) === undefined;
    if (committed && done) {
      assert.ok(participant.applied, `${branch} was done, and is not`);
      assert.equal(participant.confirmed, offer.kind === "tcc", `${branch} confirmed`);
    } else if (!irreversible || (offer.kind === "pivot" && !committed)) {
      assert.ok(!participant.applied, `${branch} still stands`);
    }
  }
}

type Known = "done" | "surely not" | "refused, but who knows" | "unknown";

/** What the journal proves about a branch's forward op, read without the protocol. */
function outcomeOf({ journal }: Run, { branch, offer }: EventOf<"registered">): Known {
  const start = journal.findIndex(({ event }) => event.kind === "registered" && event.branch === branch);
  let unseen = false;
  // While it is parked nothing is in flight, so a crash leaves nothing unseen.
  let parked = false;
  for (const { event } of journal.slice(start + 1)) {
    if (event.kind === "decided") break;
    if (event.kind === "recovered" && !parked) unseen = true;
    if (!("branch" in event) || event.branch !== branch) continue;
    if (event.kind === "attempted") unseen = true;
    if (event.kind === "parked" || event.kind === "operator-decided") parked = event.kind === "parked";
    if (event.kind === "done" && event.op === forwardOp(offer)) return "done";
    if (event.kind === "operator-decided" && event.verdict !== "retry") return event.verdict === "done" ? "done" : "surely not";
    if (event.kind !== "refused") continue;
    const guarded = !("guard" in offer) || offer.guard === "barrier";
    if (guarded || !unseen) return "surely not";
    // A pivot in doubt waits for a person.
    if (offer.kind !== "pivot") return "refused, but who knows";
  }
  return offer.kind === "sql" ? "surely not" : "unknown";
}

function undoOf(offer: Offer): "cancel" | "compensate" | undefined {
  if (offer.kind === "tcc") return "cancel";
  return (offer.kind === "step" || offer.kind === "sql") && offer.undo !== "nothing" ? "compensate" : undefined;
}

function decision({ journal }: Run): number {
  return journal.findIndex(({ event }) => event.kind === "decided");
}

function registered({ journal }: Run): readonly EventOf<"registered">[] {
  return registrations(journal);
}

function registrations(journal: readonly Entry[]): readonly EventOf<"registered">[] {
  return journal.flatMap(({ event }) => (event.kind === "registered" ? [event] : []));
}

function entries<K extends EventKind>({ journal }: Run, kind: K): readonly EventOf<K>[] {
  return journal.map(({ event }) => event).filter((event): event is EventOf<K> => event.kind === kind);
}

function secondCalls({ calls }: Run, ...ops: readonly Attempt["op"][]): readonly Attempt[] {
  return calls.filter(({ op }) => ops.includes(op));
}

function pivotTaken(run: Run): boolean {
  return registered(run).some((event) => event.offer.kind === "pivot" && outcomeOf(run, event) === "done");
}
