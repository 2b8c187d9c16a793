/** From a set of events, complete or not, to the one story that they allow: legal events of a transaction, in a legal order. Pure. */
import { mayHaveHappened } from "../protocol/choreography/decision.ts";
import type { Step, StepShape, UndoReason } from "../protocol/choreography/decision.ts";
import type { Json } from "../protocol/json.ts";
import type { Offer, TransactionEvent } from "../protocol/transaction.ts";
import type { SagaEvent } from "./event.ts";

export interface Heard {
  readonly event: SagaEvent;
  /** Unix milliseconds by the sender's clock. */
  readonly atMs: number;
  readonly by: string;
}

/** An event of the story, and who told it when: the earliest message that it can be known from. */
export interface Told {
  readonly event: TransactionEvent;
  readonly atMs: number;
  readonly by: string;
}

interface Source {
  readonly atMs: number;
  readonly by: string;
}

interface Known {
  readonly done: ReadonlyMap<string, Source & { readonly result?: Json }>;
  readonly refused: ReadonlyMap<string, Source & { readonly code: string; readonly details?: Json }>;
  readonly undone: ReadonlyMap<string, Source>;
  readonly committed: Source | undefined;
  readonly rollBack: (Source & { readonly reason: UndoReason }) | undefined;
  readonly rolledBack: Source | undefined;
  readonly earliest: Source;
}

export function storyOf(defined: { readonly name: string; readonly deadlineMs: number; readonly steps: readonly StepShape[] }, heard: readonly Heard[]): readonly Told[] {
  const known = knownFrom(defined.steps, heard);
  if (known === undefined) return [];
  const begun = defined.steps.filter((step) => hasBegun(step, defined.steps, known));
  return [
    { event: { kind: "started", deadlineMs: defined.deadlineMs }, ...known.earliest },
    ...begun.flatMap((step) => forwardOf(defined.name, step, known)),
    ...decisionOf(known),
    ...(known.rollBack === undefined ? [] : begun.toReversed().flatMap((step) => undoOf(step, known))),
  ];
}

function knownFrom(steps: readonly StepShape[], heard: readonly Heard[]): Known | undefined {
  const sorted = heard.toSorted((a, b) => a.atMs - b.atMs || (a.by < b.by ? -1 : 1));
  const first = sorted[0];
  if (first === undefined) return undefined;
  const done = new Map<string, Source & { result?: Json }>();
  const refused = new Map<string, Source & { code: string; details?: Json }>();
  const undone = new Map<string, Source>();
  let committed: Source | undefined;
  let rolledBack: Source | undefined;
  let rollBack: (Source & { reason: UndoReason }) | undefined;
  for (const { event, atMs, by } of sorted) {
    const source = { atMs, by };
    if (event.kind === "done" || event.kind === "committed") {
      const told = event.kind === "committed" ? steps.map(({ name }) => name) : [...ancestorsOf(event.step, steps), event.step];
      // A step's own word comes before what others tell of it.
      for (const name of told) {
        const result = event.results[name];
        if (!done.has(name) || (event.kind === "done" && event.step === name)) done.set(name, { ...source, ...(result === undefined ? {} : { result }) });
      }
    }
    if (event.kind === "committed") committed ??= source;
    if (event.kind === "refused" && !refused.has(event.step)) refused.set(event.step, { ...source, code: event.code, ...(event.details === undefined ? {} : { details: event.details }) });
    if (event.kind === "undone" && !undone.has(event.step)) undone.set(event.step, source);
    if (event.kind === "rolled-back") rolledBack ??= source;
    if (event.kind === "undo" || event.kind === "rolled-back") {
      rollBack ??= { ...source, reason: event.reason };
      // The reason is itself news of a step.
      if (event.reason.kind === "refused" && !refused.has(event.reason.branch)) refused.set(event.reason.branch, { ...source, ...codeOf(event.reason) });
    }
  }
  return { done, refused, undone, committed, rollBack, rolledBack, earliest: { atMs: first.atMs, by: first.by } };
}

function codeOf({ code, details }: Extract<UndoReason, { kind: "refused" }>): { code: string; details?: Json } {
  return { code, ...(details === undefined ? {} : { details }) };
}

/** Forward: once what it waits for is done. Rolled back: whatever may have happened, for all of that is undone. */
function hasBegun(step: StepShape, steps: readonly StepShape[], known: Known): boolean {
  if (known.done.has(step.name) || known.refused.has(step.name) || step.after.every((name) => known.done.has(name))) return true;
  if (known.rollBack === undefined) return false;
  const asTold = steps.map((each): Step => ({ ...each, phase: phaseOf(each.name, known) }));
  return asTold.some((each) => each.name === step.name && mayHaveHappened(asTold, each));
}

function phaseOf(step: string, known: Known): Step["phase"] {
  const refusal = known.refused.get(step);
  if (refusal !== undefined) return { kind: "refused", code: refusal.code };
  return known.done.has(step) ? { kind: "done" } : { kind: "open" };
}

function forwardOf(definition: string, step: StepShape, known: Known): readonly Told[] {
  const refused = known.refused.get(step.name);
  const done = known.done.get(step.name);
  const begunBy = step.after.map((name) => known.done.get(name)).findLast((source) => source !== undefined) ?? known.earliest;
  const registered = { event: { kind: "registered" as const, branch: step.name, offer: offerOf(definition, step), inputHash: "" }, atMs: begunBy.atMs, by: begunBy.by };
  const call = { branch: step.name, op: "action" as const };
  if (refused !== undefined) {
    const { code, details } = refused;
    return [registered, { event: { kind: "refused", ...call, code, ...(details === undefined ? {} : { details }) }, atMs: refused.atMs, by: refused.by }];
  }
  if (done === undefined) return [registered];
  return [registered, { event: { kind: "done", ...call, ...(done.result === undefined ? {} : { result: done.result }) }, atMs: done.atMs, by: done.by }];
}

function offerOf(definition: string, step: StepShape): Offer {
  return { kind: "step", guard: "barrier", undo: "target", target: { participant: `${definition}.${step.name}`, payload: null } };
}

function decisionOf({ committed, rollBack }: Known): readonly Told[] {
  if (committed !== undefined) {
    return [
      { event: { kind: "commit-requested" }, ...committed },
      { event: { kind: "decided", decision: "commit" }, ...committed },
    ];
  }
  if (rollBack === undefined) return [];
  const { reason, ...source } = rollBack;
  return [
    { event: reason.kind === "deadline" ? { kind: "deadline-reached" } : { kind: "roll-back-requested", reason }, ...source },
    { event: { kind: "decided", decision: "roll-back" }, ...source },
  ];
}

/** What its barrier refused needs no undo, even where one was published before that was known. */
function undoOf(step: StepShape, known: Known): readonly Told[] {
  const source = known.undone.get(step.name) ?? known.rolledBack;
  if (source === undefined || known.refused.has(step.name)) return [];
  return [{ event: { kind: "done", branch: step.name, op: "compensate" }, atMs: source.atMs, by: source.by }];
}

function ancestorsOf(name: string, steps: readonly StepShape[]): readonly string[] {
  const after = steps.find((step) => step.name === name)?.after ?? [];
  return [...new Set(after.flatMap((waitedFor) => [...ancestorsOf(waitedFor, steps), waitedFor]))];
}
